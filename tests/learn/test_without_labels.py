"""Runs that learn from structures alone: noise, masks, features; beside labels, and by mistake."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.transform import rotated
from atomscape.data.corruptions import noise_positions
from atomscape.encoders import tfn
from atomscape.learn.checkpoint import load_model, read_tensors
from atomscape.learn.confusion import drawn_class_outputs
from atomscape.learn.prepare import prepare
from atomscape.learn.train import train
from atomscape.o3.rotation import random_rotation
from atomscape.testing import cases

ENCODER = {"kind": "tfn", "l_max": 1, "channels": 4, "layers": 1, "cutoff": 3.0}
NOISE = {"kind": "noise_positions", "sigma": [0.02, 0.2]}
MASK = {"kind": "mask_elements", "atoms": 0.3}


@pytest.fixture
def unlabelled(make_config):
    """``unlabelled(corrupt, objectives, encoder)``: a config on ``toy`` whose structures are corrupted."""

    def make(corrupt, objectives, encoder=ENCODER, **more):
        given = {"data.0.corrupt": corrupt, "objectives": objectives, "encoder": encoder} | more
        return make_config(*(f"{key}={json.dumps(value)}" for key, value in given.items()))

    return make


def of(results, kind, name, part="test"):
    rows = results.metrics if kind == "model" else results.baselines[kind]
    return next(m for m in rows[part] if (m.property == name and m.unit != "1") or m.property == name)


def test_everything_at_once_and_the_baselines(unlabelled, tmp_path, quiet):
    """Noise and masks in turn, a known level, a code of the clean; a run of nothing but structures."""
    encoder = ENCODER | {"inputs": ["noise_level"], "self_condition": {"code": 3}}
    objectives = [
        {"property": "scaled_position_noise", "loss": "mse"},
        {"property": "masked_element"},
        {"property": "feature_decorrelation", "weight": 0.01},
    ]
    config = unlabelled([NOISE, MASK], objectives, encoder)
    results = train(config, tmp_path / "run", console=quiet)
    assert results is not None
    assert {m.property for m in results.metrics["val"]} == {o["property"] for o in objectives}
    model, prepared = load_model(tmp_path / "run"), prepare(config)
    (noise,) = (f for f in results.fitted if f["property"] == "scaled_position_noise")
    assert noise["scale"] == pytest.approx(0.77, abs=0.05)  # of 3n directions 6 are taken out, n from 3 to 6

    graphs = prepared.graphs("test", model.cutoff, 0.0)
    s = graphs.drawn(range(len(graphs)))
    x = s.labels["scaled_position_noise"]
    assert of(results, "mean", "scaled_position_noise").rmse == pytest.approx(
        float(x.square().mean().sqrt()), rel=0.01
    )
    asked = s.labels["masked_element"]
    train_asked = prepared.made("masked_element").labels["masked_element"]
    commonest = train_asked[train_asked.isfinite()].mode().values
    known = asked.isfinite()
    wrong = torch.stack(
        [(asked[known & (s.structure == i)] != commonest).double().mean() for i in range(len(s))]
    )
    assert of(results, "mean", "masked_element").mae == pytest.approx(float(wrong.mean()))
    outputs = drawn_class_outputs(model, graphs, "shared:masked_element")
    assert torch.equal(outputs.labels.double() + 1, asked[known])
    assert set(outputs.right_of_each) <= {0, 5, 7}

    again = train(config, tmp_path / "again", console=quiet)
    assert again is not None
    assert again.model_hash == results.model_hash


def test_noise_beside_labels_is_only_of_its_share(unlabelled, tmp_path, quiet):
    """Energy and forces of the clean structures, noise of the others, by one network in one run."""
    objectives = [
        {"property": "energy"},
        {"property": "forces"},
        {"property": "position_noise", "loss": "mse"},
    ]
    config = unlabelled(NOISE | {"share": 0.5}, objectives)
    results = train(config, tmp_path / "run", console=quiet)
    assert results is not None
    counts = {m.property: m.count for m in results.metrics["train"] if not m.unit.endswith("/atom")}
    atoms = 3 * prepare(config).structures["train"].n_atoms
    assert counts["forces"] + counts["position_noise"] == atoms
    assert 0 < counts["energy"] < 40


def test_noisy_nodes_keep_the_labels_that_are_named(unlabelled, tmp_path, quiet):
    objectives = [{"property": "gap"}, {"property": "position_noise"}]
    results = train(unlabelled(NOISE | {"keep": ["gap"]}, objectives), tmp_path / "run", console=quiet)
    assert results is not None
    assert {m.property: m.count for m in results.metrics["train"]}["gap"] == 40


def test_a_network_of_scalars_denoises_by_a_gradient(unlabelled, tmp_path, quiet):
    """SchNet has no vectors; a few epochs are better than saying nothing."""
    encoder = {"kind": "schnet", "channels": 16, "layers": 1, "cutoff": 3.0, "n_radial": 8}
    rows = [{"property": "position_noise", "loss": "mse", "head": {"kind": "gradient"}}]
    config = unlabelled({"kind": "noise_positions", "sigma": 0.1}, rows, encoder, **{"training.epochs": 8})
    results = train(config, tmp_path / "run", console=quiet)
    assert results is not None
    assert of(results, "model", "position_noise").rmse < 0.97 * of(results, "mean", "position_noise").rmse


def test_pretraining_is_taken_over(unlabelled, make_config, tmp_path, quiet):
    """The encoder of a run without labels starts one with labels, and one without labels again."""
    encoder = ENCODER | {"self_condition": {"code": 3}}
    rows = [{"property": "position_noise", "loss": "mse"}]
    assert train(unlabelled(NOISE, rows, encoder), tmp_path / "first", console=quiet) is not None
    start = {"start_from": str(tmp_path / "first"), "training.learning_rate": 1e-9}
    again = unlabelled(NOISE, rows, encoder, **start)
    assert train(again, tmp_path / "again", console=quiet) is not None
    given = start | {"encoder": encoder}
    gap = make_config(*(f"{key}={json.dumps(value)}" for key, value in given.items()))
    assert train(gap, tmp_path / "gap", console=quiet) is not None
    old, new, other = (read_tensors(tmp_path / k / "best.safetensors")[0] for k in ("first", "gap", "again"))
    for name in (n for n in old if n.startswith("encoder.")):
        torch.testing.assert_close(new[name], old[name], rtol=0, atol=1e-6)
        torch.testing.assert_close(other[name], old[name], rtol=0, atol=1e-6)
    key = "heads.shared:position_noise.scale"
    torch.testing.assert_close(other[key], old[key])


@pytest.mark.parametrize(
    ("corrupt", "row", "message"),
    [
        ({"kind": "noise_cell"}, {"property": "strain_noise"}, "periodic in three directions"),
        (NOISE, {"property": "masked_element"}, "no label 'masked_element'"),
        ([NOISE, {"kind": "noise_cell"}], {"property": "position_noise"}, "noise_cell comes before"),
        ([NOISE, {"kind": "mask_element"}], {"property": "position_noise"}, "did you mean 'mask_elements'"),
        (NOISE | {"keep": ["gap"]}, {"property": "position_noise"}, "no label 'gap'"),
    ],
)
def test_what_cannot_be_learned_says_why(unlabelled, tmp_path, quiet, corrupt, row, message):
    with pytest.raises(ValueError, match=message):
        train(unlabelled(corrupt, [row], ENCODER | {"l_max": 2}), tmp_path / "run", console=quiet)


def conditioned(**settings):
    """An encoder with a code, in float64, whose shifts are no longer zero."""
    config = tfn.Config(
        l_max=1,
        channels=4,
        layers=2,
        cutoff=3.0,
        average_neighbours=4.0,
        self_condition={"code": 3, **settings},
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = tfn.build(config).double().eval()
        with torch.no_grad():
            for shift in encoder.condition.shifts:
                shift.weight.normal_()
    return encoder


def noisy_graph(sigma=0.2, turn=None):
    s = cases.mixed_batch() if turn is None else rotated(cases.mixed_batch(), turn)
    corrupt = noise_positions.build(noise_positions.Config(sigma=sigma))
    after = corrupt(cases.mixed_batch(), np.random.default_rng(0))
    return neighbour_graph(after if turn is None else rotated(after, turn), 3.0), s


def test_the_code_is_that_of_the_clean_structure():
    """It changes what is seen of noisy structures, only by the clean ones, and not the clean themselves."""
    encoder, (graph, clean) = conditioned(), noisy_graph()
    bare = graph.with_structures(replace(graph.structures, labels={}))
    with torch.no_grad():
        known, unknown = encoder(graph).invariants(), encoder(bare).invariants()
        assert float((known - unknown).abs().max()) > 0.01
        code = encoder.condition(encoder(neighbour_graph(clean, 3.0)), clean)
        by_hand = encoder._embeddings(graph, code)[-1].invariants()
        torch.testing.assert_close(known, by_hand)
        for shift in encoder.condition.shifts:
            shift.weight.zero_()
        torch.testing.assert_close(encoder(graph).invariants(), unknown)


def test_a_turned_structure_has_the_same_code():
    encoder, R = conditioned(), random_rotation(1, generator=torch.Generator().manual_seed(1))[0]
    with torch.no_grad():
        here, there = (encoder(noisy_graph(turn=turn)[0]).invariants() for turn in (None, -R))
    torch.testing.assert_close(here, there)


def test_gradients_reach_the_clean_run_unless_it_is_detached():
    for detach in (False, True):
        encoder = conditioned(detach=detach, drop=0.0).train()
        graph, _ = noisy_graph()
        graph.structures.positions.requires_grad_()
        only_the_code = encoder._embeddings(graph)[-1].invariants().sum()
        whole = encoder(graph).invariants().sum()
        (a,) = torch.autograd.grad(only_the_code, encoder.species.table.weight)
        (b,) = torch.autograd.grad(whole, encoder.species.table.weight)
        assert not torch.equal(a, b)
        made = torch.autograd.grad(
            encoder.condition(encoder(graph), graph.structures).sum(),
            encoder.species.table.weight,
            allow_unused=True,
        )[0]
        assert (made is None) == detach


def test_a_share_gets_no_code_in_training_only():
    encoder, (_, clean) = conditioned(drop=0.5), noisy_graph()
    embedding = encoder(neighbour_graph(clean, 3.0))
    assert bool((encoder.condition(embedding, clean) != 0).all())
    with torch.random.fork_rng():
        torch.manual_seed(0)
        codes = torch.stack([encoder.train().condition(embedding, clean) for _ in range(40)])
    dropped = (codes == 0).all(2).double().mean()
    assert float(dropped) == pytest.approx(0.5, abs=0.12)
