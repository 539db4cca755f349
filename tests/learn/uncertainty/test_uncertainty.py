"""Uncertainty of models: exact features, brute-force covariances, files that belong to weights, ensembles."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.properties import PROPERTIES
from atomscape.data.card import PropertyRecord
from atomscape.find import find
from atomscape.learn.architecture import Architecture, HeadRecord, architecture_of
from atomscape.learn.checkpoint import save_model
from atomscape.learn.config import PlugIn
from atomscape.learn.model import Model
from atomscape.learn.prepare import prepare
from atomscape.learn.uncertainty.ensemble import ensemble_of, together
from atomscape.learn.uncertainty.ensemble_file import load_ensemble, save_ensemble
from atomscape.learn.uncertainty.file import UNCERTAINTY, load_uncertainty, save_uncertainty
from atomscape.learn.uncertainty.fit import covariances_of, fit_uncertainty
from atomscape.learn.uncertainty.judge import judge_ensemble, judge_last_layer
from atomscape.learn.uncertainty.last_layers import derivative_features, features_of
from atomscape.learn.uncertainty.predict import predict_uncertain, uncertain
from atomscape.learn.uncertainty.runs import other_graphs
from atomscape.o3.irreps import Irreps
from atomscape.o3.rotation import random_rotation
from atomscape.testing.compare import turned
from atomscape.testing.head_laws import random_embedding

OBJECTIVES = (
    "objectives=[{property: energy, head: {kind: scalar, hidden: 6}}, {property: forces}, {property: stress},"
    " {property: gap, head: {kind: scalar, pooling: attention, averages: 2, hidden: 4}},"
    " {property: charges, head: {kind: atom_scalar, hidden: 4}}]"
)


def untrained(config, prepared, seed: int = 0) -> Model:
    """A model with random weights, which stays in evaluation mode."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Model(architecture_of(config, prepared.properties))
    model.about = {"fingerprints": prepared.fingerprints}
    return model.eval()


@pytest.fixture
def parts(make_config, toy, toy_crystals):
    """A model of molecules and crystals, and its training and validation graphs."""
    data = ", ".join(
        f"{{name: {name}, source: {source}, split: {{kind: random, train: 8, val: 5, test: 5}}}}"
        for name, source in (("toy", toy), ("crystals", toy_crystals))
    )
    config = make_config(f"data=[{data}]", OBJECTIVES, "dtype=float64")
    prepared = prepare(config)
    model = untrained(config, prepared)
    return model, *(prepared.graphs(part, model.cutoff, 0.0) for part in ("train", "val"))


def test_forces_and_stress_are_their_features_times_the_last_weights(parts):
    model, train, _ = parts
    graph, dataset = train.batch(range(len(train)))
    predicted = model(graph, dataset)
    weights = model.heads["shared:energy"].last_layer(model.encoder(graph), graph)["energy"].weights
    for served in derivative_features(model, graph, dataset, ("forces", "stress")):
        found = (served.features @ weights).reshape(predicted[served.property.name].shape)
        torch.testing.assert_close(
            found, predicted[served.property.name], rtol=1e-9, atol=1e-11, equal_nan=True
        )


def test_covariance_is_that_of_single_structures(parts):
    """Σ φφᵀ/(m β²) structure by structure, Jacobians of whole structures included, is what batches give."""
    model, train, _ = parts
    found = covariances_of(model, train, derivative_structures=len(train))
    sums = {}
    for i in range(len(train)):
        graph, dataset = train.batch([i])
        predicted, s = model(graph, dataset), graph.structures

        def phi(positions, graph=graph, s=s):
            moved = graph.with_structures(replace(s, positions=positions))
            head = model.heads["shared:energy"]
            return head.last_layer(model.encoder(moved), moved)["energy"].features[:, 0].sum(0)

        rows = {"energy": phi(s.positions).unsqueeze(0)}
        jacobian = torch.autograd.functional.jacobian(phi, s.positions)
        rows["forces"] = -jacobian.reshape(len(rows["energy"][0]), -1).mT
        for name, features in rows.items():
            error = (predicted[name] - s.labels[name]).flatten()
            m = float(s.counts[0]) if name == "energy" else 1.0
            outer, square, count = sums.get(name, (0.0, 0.0, 0))
            outer = outer + features.mT @ features / m
            sums[name] = outer, square + float(error.square().sum()) / m, count + len(error)
    expected = sum(outer * count / square for outer, square, count in sums.values())
    model.architecture = model.architecture.model_copy(update={"derivatives": ("forces",)})
    found = covariances_of(model, train, derivative_structures=len(train))
    torch.testing.assert_close(found["shared:energy"], expected.detach(), rtol=1e-9, atol=1e-9)


def test_fit_predict_and_judge(parts):
    model, train, val = parts
    u = fit_uncertainty(model, train, val, derivative_structures=6)
    assert set(u.heads) == {"shared:energy", "shared:gap", "shared:charges"}
    assert set(u.heads["shared:energy"].scales) == {"energy", "forces", "stress"}
    graph, dataset = train.batch(range(len(train)))
    found = uncertain(model, u, graph, dataset)
    for name, value in model(graph, dataset).items():
        torch.testing.assert_close(found[name].value, value, equal_nan=True, rtol=0, atol=0)
        known = value.isfinite()
        assert found[name].sigma.shape == value.shape
        assert bool((found[name].sigma[known] > 0).all()), name
    assert float(found["gap"].distance[:8].max()) == pytest.approx(1.0)
    assert float(found["gap"].distance[8:].max()) > 1, "gaps of crystals are not known"
    assert float(found["charges"].distance[: int(graph.structures.counts[:8].sum())].max()) <= 1 + 1e-9
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))
    graph, dataset = train.batch(order)
    again = uncertain(model, u, graph, dataset)
    for name in ("energy", "gap", "stress"):
        torch.testing.assert_close(
            again[name].sigma, found[name].sigma[order], rtol=1e-8, atol=1e-12, equal_nan=True
        )
    drawn = uncertain(model, u, graph, dataset, ("forces",), samples=300)["forces"].sigma
    assert float((drawn / again["forces"].sigma).log().abs().mean()) < 0.06
    judged = {r.property: r for r in judge_last_layer(model, u, val, 6)}
    assert judged["gap"].nll <= judged["gap"].nll_constant + 1e-3, "ρ large is one σ for all"
    assert judged["energy"].unit == "eV/atom"


def test_shares_of_atoms_add_up(parts):
    """φ of a structure is the sum of φ of its atoms, and σ of a share is that of its own φ."""
    model, train, val = parts
    u = fit_uncertainty(model, train, val, derivative_structures=0)
    graph, dataset = train.batch([0, 1])
    with torch.no_grad():
        layers = features_of(model, model.encoder(graph), graph, dataset)
    energy = next(x for x in layers if x.property.name == "energy")
    first = graph.structures.structure == 0
    torch.testing.assert_close(energy.shares[first].sum(0), energy.features[0], rtol=1e-12, atol=1e-12)
    head = u.heads["shared:energy"]
    scale = head.scales["energy"]
    q = head.rigidity.leverage(energy.shares[:, 0], scale.ridge)
    sigma = uncertain(model, u, graph, dataset, ())["energy"].atoms
    torch.testing.assert_close(sigma, scale.alpha * q.sqrt())


def test_what_training_never_saw_is_far(parts, toy_structures):
    model, train, val = parts
    u = fit_uncertainty(model, train, val, derivative_structures=0)
    strange = toy_structures(3)
    strange = replace(strange, numbers=torch.full_like(strange.numbers, 79), labels={})
    ((_, found),) = predict_uncertain(model, u, strange, dataset="toy", derivatives=())
    assert bool(found["energy"].extrapolates.all())
    assert float(found["energy"].atom_distance.min()) > 1
    assert bool(found["energy"].sigma.isfinite().all())


def test_the_file_belongs_to_the_weights(parts, tmp_path):
    model, train, val = parts
    u = fit_uncertainty(model, train, val, derivative_structures=2)
    save_uncertainty(u, tmp_path / UNCERTAINTY, note="x")
    graph, dataset = val.batch([0, 1, 2])
    again = uncertain(model, load_uncertainty(tmp_path, model), graph, dataset)
    for name, one in uncertain(model, u, graph, dataset).items():
        assert torch.equal(one.sigma.nan_to_num(), again[name].sigma.nan_to_num())
    with torch.no_grad():
        next(model.parameters()).add_(1e-3)
    with pytest.raises(ValueError, match=r"was fitted to the model .* fit it to these"):
        load_uncertainty(tmp_path, model)
    with pytest.raises(ValueError, match="was fitted to the model"):
        judge_last_layer(model, u, val)
    with pytest.raises(ValueError, match="has no uncertainty"):
        load_uncertainty(tmp_path / "..", model)


def test_own_heads_have_own_uncertainties(make_config, toy):
    """Rows of one dataset get σ from its own head alone."""
    split = "split: {kind: random, train: 10, val: 6, test: 5}"
    data = ", ".join(f"{{name: {n}, source: {toy}, {split}}}" for n in ("a", "b"))
    rows = "objectives=[{property: gap, dataset: a}, {property: gap, dataset: b}]"
    config = make_config(f"data=[{data}]", rows, "dtype=float64")
    prepared = prepare(config)
    model = untrained(config, prepared)
    train, val = (prepared.graphs(part, model.cutoff, 0.0) for part in ("train", "val"))
    u = fit_uncertainty(model, train, val)
    assert set(u.heads) == {"a:gap", "b:gap"}
    graph, _ = val.batch(range(4))
    mixed = uncertain(model, u, graph, torch.tensor([0, 1, 0, 1]))["gap"].sigma
    a, b = (uncertain(model, u, graph, name)["gap"].sigma for name in ("a", "b"))
    torch.testing.assert_close(mixed, torch.where(torch.tensor([True, False, True, False]), a, b))
    assert not torch.allclose(a, b)


def test_a_batch_that_a_head_does_not_serve_adds_nothing(make_config, toy, monkeypatch):
    """Batches of one dataset give the heads of the other no row; covariances stay what they were."""
    split = "split: {kind: random, train: 10, val: 6, test: 5}"
    data = ", ".join(f"{{name: {n}, source: {toy}, {split}}}" for n in ("a", "b"))
    rows = "objectives=[{property: gap, dataset: a}, {property: charges, dataset: b}]"
    config = make_config(f"data=[{data}]", rows, "dtype=float64")
    prepared = prepare(config)
    model = untrained(config, prepared)
    train = prepared.graphs("train", model.cutoff, 0.0)
    together = covariances_of(model, train)
    monkeypatch.setattr("atomscape.learn.uncertainty.fit._ATOMS", 1)
    for key, alone in covariances_of(model, train).items():
        torch.testing.assert_close(alone, together[key], rtol=1e-9, atol=1e-11)


def test_other_data_are_judged_by_labels_made_of_others(make_config, toy, toy_crystals):
    rule = "derive: {label: forces}"
    rows = f"objectives=[{{property: pull, head: {{kind: tensor}}, {rule}}}, {{property: gap}}]"
    config = make_config(rows, "encoder={kind: tfn, l_max: 1, channels: 2, layers: 1, cutoff: 3.0}")
    model = untrained(config, prepare(config))
    made = other_graphs(model, str(toy_crystals)).structures.labels
    assert made.keys() == {"pull"}
    assert bool(made["pull"].isfinite().all())


def test_other_data_without_what_the_network_reads(make_config, toy):
    noise = f"data=[{{name: toy, source: {toy}, corrupt: {{kind: noise_positions, share: 0.5}}}}]"
    reads = "encoder={kind: tfn, l_max: 1, channels: 2, layers: 1, cutoff: 3.0, inputs: [noise_level]}"
    config = make_config(noise, reads, "objectives=[{property: gap}]")
    model = untrained(config, prepare(config))
    with pytest.raises(ValueError, match=r"reads the label 'noise_level', and .*toy has none"):
        other_graphs(model, str(toy))


def test_a_head_without_a_last_layer_is_named(parts):
    _, train, val = parts
    classes = HeadRecord(
        dataset="shared",
        predicts=PropertyRecord.of(PROPERTIES["space_group"]),
        head=PlugIn(kind="classes", count=3),
    )
    encoder = PlugIn(kind="schnet", channels=4, layers=1, cutoff=3.0)
    model = Model(Architecture(encoder=encoder, heads=(classes,), datasets=("a",)))
    with pytest.raises(ValueError, match=r"it has space_group \(classes\)\. The heads scalar, atom_scalar"):
        fit_uncertainty(model, train, val)


def test_covariances_of_tensors_do_not_turn():
    """Σ φφᵀ over the components of dipoles and polarizabilities is the same in every frame."""
    irreps, module = Irreps("5x0e+5x1o+5x2e"), find("heads", "tensor")
    embedding = random_embedding(irreps, 4)
    R = random_rotation(1, generator=torch.Generator().manual_seed(0))[0]
    there = replace(embedding, blocks={(l, p): turned(b, l, p, R) for (l, p), b in embedding.blocks.items()})
    graph = neighbour_graph(_four_atoms(), 3.0)
    for name in ("dipole", "polarizability"):
        head = module.build(module.Config(hidden=5), irreps, (PROPERTIES[name],)).double()
        a, b = (head.last_layer(x, graph)[name].features.sum(0) for x in (embedding, there))
        torch.testing.assert_close(a.mT @ a, b.mT @ b, rtol=1e-9, atol=1e-11)
        assert not torch.allclose(a, b)


def _four_atoms():
    from ase import Atoms

    from atomscape.atoms.ase import from_ase

    return from_ase([Atoms("H4", positions=[[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])])


@pytest.fixture
def members(make_config):
    """Three models that differ in their weights, with the data of their config."""
    config = make_config("dtype=float64", "objectives=[{property: gap, head: {kind: scalar, hidden: 4}}]")
    prepared = prepare(config)
    return [untrained(config, prepared, seed) for seed in range(3)], prepared


def test_ensemble(members, tmp_path):
    models, prepared = members
    train, val = (prepared.graphs(part, models[0].cutoff, 0.0) for part in ("train", "val"))
    alone = [fit_uncertainty(model, train, val) for model in models]
    ensemble = ensemble_of(models, alone, val)
    graph, dataset = val.batch(range(4))
    found = together(ensemble, graph, dataset)["gap"]
    each = torch.stack([model(graph, dataset)["gap"].detach() for model in models])
    torch.testing.assert_close(found.members, each, rtol=0, atol=0)
    torch.testing.assert_close(found.value, each.sum(0) / 3)
    spread2 = (each - each.sum(0) / 3).square().sum(0) / 2
    torch.testing.assert_close(found.spread, spread2.sqrt())
    sigma2 = [
        uncertain(m, u, graph, dataset)["gap"].sigma.square() for m, u in zip(models, alone, strict=True)
    ]
    ones = torch.ones(4, dtype=torch.float64)
    mixed = ensemble.mixture["gap"].variance(spread2 + torch.stack(sigma2).sum(0) / 3, ones)
    torch.testing.assert_close(found.mixture, mixed.sqrt())
    torch.testing.assert_close(found.sigma, ensemble.spread["gap"].variance(spread2, ones).sqrt())
    assert {r.method for r in judge_ensemble(ensemble, val)} == {
        "ensemble spread",
        "ensemble and last layers",
    }
    runs = [tmp_path / str(k) for k in range(3)]
    for run, model, u in zip(runs, models, alone, strict=True):
        run.mkdir()
        save_model(model, run / "best.safetensors", **model.about)
        save_uncertainty(u, run / UNCERTAINTY)
    save_ensemble(ensemble, runs, tmp_path / "joined")
    again = together(load_ensemble(tmp_path / "joined"), graph, dataset)["gap"]
    torch.testing.assert_close(again.mixture, found.mixture, rtol=0, atol=0)
    save_model(models[1], runs[0] / "best.safetensors", **models[1].about)
    with pytest.raises(ValueError, match="has other weights than when"):
        load_ensemble(tmp_path / "joined")
    assert json.loads((tmp_path / "joined" / "ensemble.json").read_text())["members"][0]["run"] == "../0"


def test_without_last_layers_the_spread_stands_alone(members):
    models, prepared = members
    val = prepared.graphs("val", models[0].cutoff, 0.0)
    ensemble = ensemble_of(models, (), val)
    found = together(ensemble, *val.batch([0, 1]))["gap"]
    assert bool(found.mixture.isnan().all())
    assert bool((found.sigma > 0).all())
    assert math.isfinite(ensemble.constant["gap"])


def test_what_makes_no_ensemble(members):
    models, _ = members
    with pytest.raises(ValueError, match="needs two runs or more; given 1"):
        ensemble_of(models[:1])
    with pytest.raises(ValueError, match="same weights"):
        ensemble_of([models[0], models[0]])
    models[1].about = {"fingerprints": {"toy": "other"}}
    with pytest.raises(ValueError, match="run 2 was trained on other data or another split"):
        ensemble_of(models)
