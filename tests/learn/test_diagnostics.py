"""What is said of a network is so, and looking changes nothing."""

from __future__ import annotations

import json

import pytest
import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.encoders import tfn
from atomscape.learn.checkpoint import load_model
from atomscape.learn.diagnostics import collapse, gradients, paths
from atomscape.learn.train import train
from atomscape.nn.embedding import Embedding

BOTH = "objectives=[{property: energy, loss: mse}, {property: gap}]"
TFN = "encoder={kind: tfn, channels: 4, layers: 2, l_max: 1, cutoff: 3.0, n_radial: 4}"


def embedding(generator, scalars, vectors) -> Embedding:
    blocks = {(0, 1): scalars, (1, -1): vectors}
    entered = Embedding({(0, 1): torch.zeros(len(scalars), 1, 8)}, "species")
    last = Embedding(blocks, "layer 1")
    return Embedding(blocks, "layer 1", (entered, last))


def test_directions_are_counted_and_do_not_turn(generator):
    scalars = 5 + torch.randn(4000, 1, 8, generator=generator, dtype=torch.float64)
    one = torch.randn(4000, 3, 1, generator=generator, dtype=torch.float64)
    vectors = one * torch.linspace(1, 2, 8, dtype=torch.float64)
    s, v = collapse.spreads(embedding(generator, scalars, vectors))
    assert (s.degree, v.degree, s.channels) == (0, 1, 8)
    assert s.directions == pytest.approx(8, rel=0.02), "the mean is no direction"
    assert v.directions == pytest.approx(1), "all channels say the same"
    assert v.mean_square == pytest.approx(float(vectors.square().mean()))
    turned = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))[0] @ vectors
    assert collapse.spreads(embedding(generator, scalars, turned))[1].directions == pytest.approx(1)
    assert collapse.in_words([s, v]) == [
        "degree 1 of layer 1 has collapsed: its 8 channels fill 1.0 directions"
    ]


def test_silence_and_dead_channels_are_named(generator):
    scalars = torch.randn(50, 1, 8, generator=generator)
    half = torch.randn(50, 3, 8, generator=generator) * torch.tensor([1.0] * 4 + [0.0] * 4)
    assert collapse.in_words(collapse.spreads(embedding(generator, scalars, 0 * half))) == [
        "degree 1 of layer 1 carries no signal"
    ]
    assert collapse.in_words(collapse.spreads(embedding(generator, scalars, half))) == [
        "degree 1 of layer 1: 50 % of its 8 channels are dead"
    ]


def test_paths_without_weight_and_without_gradient_are_named():
    torch.manual_seed(0)
    encoder = tfn.build(tfn.Config(channels=4, layers=2, l_max=1, n_radial=4))
    weight = encoder.layers[1].radial.out.weight
    found = paths.path_states(encoder, {id(p): torch.ones_like(p) for p in encoder.parameters()})
    assert paths.in_words(found) == []
    assert max(p.strength for p in found if p.layer == 2) == 1
    with torch.no_grad():
        weight.view(encoder.layers[1].radial.paths, -1)[1] = 0
    gradient = torch.ones_like(weight)
    gradient.view(encoder.layers[1].radial.paths, -1)[0] = 0
    some = {id(p): torch.ones_like(p) for p in encoder.parameters()} | {id(weight): gradient}
    found = paths.path_states(encoder, some)
    names = [p.path for p in found if p.layer == 2]
    assert paths.in_words(found) == [
        f"layer 2: no weight is left on the paths {names[1]}",
        f"layer 2: nothing is learned about the paths {names[0]}",
    ]


def test_pulls_are_the_gradients_of_each_row(toy_structures, make_config, tmp_path, quiet):
    config = make_config(BOTH, TFN, "training.epochs=1", "training.diagnostics=0.9", "dtype=float64")
    train(config, tmp_path / "run", console=quiet)
    model = load_model(tmp_path / "run").train()
    s = toy_structures(6)
    graph, owner = neighbour_graph(s, model.cutoff), torch.zeros(6, dtype=torch.int64)
    from atomscape.learn.constants.fit import fit_heads
    from atomscape.learn.prepare import prepare

    terms, _ = fit_heads(config, load_model(tmp_path / "run"), prepare(config))
    found = gradients.pulls(model.encoder, terms, ("toy",), model(graph, owner), graph, owner)
    assert list(found.norms) == ["toy:energy", "toy:gap"]
    error = (model(graph, owner)["gap"] - s.labels["gap"]) / terms[1].scale
    grads = torch.autograd.grad(error.abs().mean(), list(model.encoder.parameters()), allow_unused=True)
    square = sum(float(g.square().sum()) for g in grads if g is not None)
    assert found.norms["toy:gap"] == pytest.approx(square**0.5, rel=1e-6)
    assert gradients.in_words({"a": 300.0, "b": 2.0, "c": 0.0}) == [
        "c has no gradient at the encoder",
        "a pulls 150 times as hard at the encoder as b",
    ]


def test_looking_changes_nothing_and_is_noted(make_config, tmp_path, quiet):
    for name, share in (("watched", 0.9), ("alone", 0)):
        train(make_config(BOTH, TFN, f"training.diagnostics={share}"), tmp_path / name, console=quiet)
    assert load_model(tmp_path / "watched").hash == load_model(tmp_path / "alone").hash
    text = (tmp_path / "watched" / "diagnostics.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in text]
    looks, speeds = ([r for r in records if r["kind"] == kind] for kind in ("look", "speed"))
    assert looks
    assert {(f["layer"], f["degree"]) for f in looks[-1]["features"]} == {
        (f"layer {n}", l) for n in (1, 2) for l in (0, 1)
    }
    assert set(looks[-1]["gradients"]) == {"toy:energy", "toy:gap"}
    assert [s["epoch"] for s in speeds] == [1, 2]
    assert all(s["structures_per_second"] > 0 and 0 <= s["waiting"] <= 1 for s in speeds)
    alone = (tmp_path / "alone" / "diagnostics.jsonl").read_text()
    assert '"look"' not in alone
