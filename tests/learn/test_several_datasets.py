"""Laws of learning from several datasets: each keeps its own, none spoils another, the unknown is inert."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace

import pytest
import torch
from rich.console import Console

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, records
from atomscape.data.store import write_store
from atomscape.learn import train as loop
from atomscape.learn.architecture import architecture_of
from atomscape.learn.checkpoint import load_model, read_tensors
from atomscape.learn.constants.fit import fit_heads
from atomscape.learn.evaluate import evaluate, predict
from atomscape.learn.model import Model
from atomscape.learn.objectives import term_sums, total_loss
from atomscape.learn.prepare import prepare
from atomscape.learn.train import train

SHIFT = {1: 3.0, 6: -250.0, 8: -470.0}


def of_other_level(s: Structures) -> Structures:
    """The same structures at a level of theory whose E0 are others and whose bonding is the same."""
    moved = torch.tensor([SHIFT[int(z)] for z in s.numbers], dtype=torch.float64)
    energy = s.labels["energy"].index_add(0, s.structure, moved)
    return s.with_labels(energy=energy)


@pytest.fixture
def two(make_config, tmp_path, store_of, toy_structures):
    """``two(*overrides, other=…)``: a config of the datasets ``low`` and ``high``, 40 and 20 to train on."""
    store_of(tmp_path / "low", toy_structures(60, seed=1), "low")

    def make(*overrides: str, other: Structures | None = None):
        if not (tmp_path / "high").exists():
            store_of(tmp_path / "high", other or of_other_level(toy_structures(40, seed=5)), "high")
        data = [
            {"name": name, "source": str(tmp_path / name), "split": {"train": train, "val": 10}}
            for name, train in (("low", 40), ("high", 20))
        ]
        text = json.dumps([d | {"split": {"kind": "random", **d["split"]}} for d in data])
        return make_config(f"data={text}", "objectives=[{property: energy}]", "dtype=float64", *overrides)

    return make


def built(config):
    """Prepared data, a fitted model with fixed weights, the terms of the loss and what was fitted."""
    prepared = prepare(config)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Model(architecture_of(config, prepared.properties))
    terms, fitted = fit_heads(config, model, prepared)
    return prepared, model, terms, fitted


def gradient(model, terms, graphs, rows):
    """Gradient of the loss on some structures, per parameter."""
    model.train()
    model.zero_grad()
    graph, dataset = graphs.batch(rows)
    total_loss(terms, term_sums(terms, model(graph, dataset), graph, dataset)).backward()
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


OWN = "objectives=[{property: energy, dataset: low}, {property: energy, dataset: high, weight: 2}, {property: gap, dataset: low}]"  # noqa: E501


def test_the_same_property_of_two_datasets_stays_apart_if_asked(two):
    prepared, model, terms, _ = built(two(OWN))
    graphs = prepared.graphs("train", model.cutoff, 1e9)
    found = gradient(model, terms, graphs, [41, 58])
    assert all(not v.any() for k, v in found.items() if k.startswith("heads.low:"))
    assert any(v.any() for k, v in found.items() if k.startswith("heads.high:energy"))
    references = {d: model.heads[f"{d}:energy"].references for d in ("low", "high")}
    for z, shift in SHIFT.items():
        assert float(references["high"][z] - references["low"][z]) == pytest.approx(shift, abs=1.0)


def test_an_unlabelled_dataset_changes_nothing_that_is_fitted(two, make_config, toy_structures, tmp_path):
    unlabelled = toy_structures(40, seed=5)
    unlabelled = unlabelled.with_labels(energy=torch.full((40,), math.nan, dtype=torch.float64))
    _, with_other, terms, fitted = built(two(other=unlabelled))
    alone = make_config(
        f"data.0.source={tmp_path / 'low'}", "objectives=[{property: energy}]", "dtype=float64"
    )
    _, without, terms_alone, fitted_alone = built(alone)
    a, b = with_other.state_dict(), without.state_dict()
    assert all(torch.equal(a[k], b[k]) for k in b)
    assert [f.as_dict() for f in fitted] == [f.as_dict() for f in fitted_alone]
    assert [t.scale for t in terms] == [t.scale for t in terms_alone]


def test_references_of_each_dataset_under_one_head(two, tmp_path, store_of):
    config = two("objectives=[{property: energy, own_references: true}, {property: forces}]")
    prepared, model, terms, (energy, _) = built(config)
    assert set(model.heads) == {"shared:energy"}
    for z, shift in SHIFT.items():
        difference = energy.by_dataset["high"][z] - energy.by_dataset["low"][z]
        assert difference == pytest.approx(shift, abs=1.0)
    assert set(energy.as_dict()["references_by_dataset"]) == {"low", "high"}
    assert terms[0].scale < 1.0, "one row of references for both would leave tens of eV per atom"
    store = prepared.stores["low"]
    low, high = (next(iter(predict(model, store, [0, 1, 2], d)))[1] for d in ("low", "high"))
    torch.testing.assert_close(low["forces"], high["forces"])
    first = store[[0, 1, 2]]
    table = torch.zeros(119, dtype=torch.float64)
    for z in SHIFT:
        table[z] = energy.by_dataset["high"][z] - energy.by_dataset["low"][z]
    expected = torch.zeros(3, dtype=torch.float64).index_add(0, first.structure, table[first.numbers])
    torch.testing.assert_close(high["energy"] - low["energy"], expected)
    with pytest.raises(LookupError, match=r"heads of its own for low, high"):
        evaluate(model, store_of(tmp_path / "another", first, "another"))
    with pytest.raises(LookupError, match="references per dataset; say whose to use: low, high"):
        model(prepared.graphs("train", model.cutoff, 1e9).batch([0])[0])


def test_a_bridge_gives_the_difference_of_references_exactly(two, toy_structures, tmp_path, quiet):
    """Where bonding is the same, shared structures tell the levels apart to the last digit."""
    other = Structures.concatenate([toy_structures(60, seed=1)[:30], toy_structures(10, seed=9)])
    other = of_other_level(other)
    config = two("objectives=[{property: energy, own_references: bridge}]", other=other)
    _, _, _, (energy,) = built(config)
    assert {z: energy.by_dataset["high"][z] - energy.by_dataset["low"][z] for z in SHIFT} == pytest.approx(
        SHIFT, abs=1e-8
    )
    assert "shared structures" in energy.note
    assert train(config, tmp_path / "run", console=quiet) is not None


def test_a_bridge_is_needed(two):
    row = "objectives=[{property: energy, own_references: bridge}]"
    with pytest.raises(ValueError, match="high shares no training structures with the first dataset"):
        built(two(row))


def test_an_element_beyond_the_bridge_is_named(two, toy_structures):
    shared, more = toy_structures(60, seed=1)[:30], toy_structures(10, seed=9)
    other = Structures.concatenate([shared, replace(more, numbers=torch.full_like(more.numbers, 7))])
    row = "objectives=[{property: energy, own_references: bridge}]"
    with pytest.raises(ValueError, match=r"no structure that high shares with the first dataset holds N;"):
        built(two(row, other=other))


def test_own_references_learn_two_levels_at_once_and_survive_the_file(two, tmp_path, quiet):
    config = two("objectives=[{property: energy, own_references: true, loss: mse}]", "training.epochs=10")
    results = train(config, tmp_path / "run", console=quiet)
    assert results is not None
    errors = {m.dataset: m.mae for m in results.metrics["val"] if m.unit == "eV/atom"}
    assert errors.keys() == {"low", "high"}
    assert max(errors.values()) < 0.5
    assert set(results.fitted[0]["references_by_dataset"]["high"]) == {"H", "C", "O"}
    model = load_model(tmp_path / "run")
    assert model.own_references["shared:energy"].table[1, 8] < -2000


def test_models_without_own_references_keep_their_description(two):
    config = two()
    written = architecture_of(config, prepare(config).properties).model_dump(mode="json")
    assert "own_references" not in written["heads"][0]


def test_references_that_the_config_gives(two):
    given = "{H: -13.0, C: -1000.0, O: -2000.0}"
    _, model, terms, (energy,) = built(
        two(f"objectives=[{{property: energy, dataset: low, references: {given}}}]")
    )
    assert energy.references == {1: -13.0, 6: -1000.0, 8: -2000.0}
    assert float(model.heads["low:energy"].references[6]) == -1000.0
    assert terms[0].scale < energy.scale, (
        "errors are compared with the spread, not with the mean, of what is left"
    )
    with pytest.raises(ValueError, match=r"no reference for C, O; given are H"):
        built(two("objectives=[{property: energy, dataset: low, references: {H: -13.6}}]"))


def with_free_atoms(s: Structures, energies: dict[int, float]) -> Structures:
    atoms = [Structures.of([[0.0, 0, 0]], [z], labels={"energy": e}) for z, e in energies.items()]
    free = torch.tensor([0.0] * len(s) + [1.0] * len(atoms), dtype=torch.float64)
    return Structures.concatenate([s, *atoms]).with_labels(isolated_atom=free)


def test_references_of_free_atoms(two, tmp_path, toy_structures):
    names = ("energy", "forces", "isolated_atom")
    e0 = {1: -13.6, 6: -1029.0, 8: -2041.0}
    s = with_free_atoms(toy_structures(40, seed=5), e0)
    write_store(tmp_path / "high", [Structures(s.positions, s.numbers, s.cell, s.pbc, s.structure, {k: s.labels[k] for k in names})], Card(name="high", properties=records(*names)))  # fmt: skip  # noqa: E501
    row = "{property: energy, dataset: DATASET, references: isolated_atoms}"
    _, _, _, (energy,) = built(two(f"objectives=[{row.replace('DATASET', 'high')}]"))
    assert energy.references == e0
    with pytest.raises(ValueError, match="low hold no free atoms with that label"):
        built(two(f"objectives=[{row.replace('DATASET', 'low')}]"))


def test_free_atoms_of_two_levels_need_references_of_their_own(two, tmp_path, toy_structures, make_config):
    names = ("energy", "forces", "isolated_atom")
    card = records(*names)
    for name, seed, shift in (("low", 1, 0.0), ("high", 5, 100.0)):
        s = with_free_atoms(toy_structures(40, seed), {1: -13.6 + shift, 6: -1029.0, 8: -2041.0})
        s = Structures(s.positions, s.numbers, s.cell, s.pbc, s.structure, {k: s.labels[k] for k in names})
        write_store(tmp_path / name, [s], Card(name=name, properties=card), overwrite=True)
    split = "data.0.split={kind: random, train: 20, val: 10}"
    with pytest.raises(ValueError, match=r"a free H atom has -13\.6 in one dataset and 86\.4 in high"):
        built(two("objectives=[{property: energy, references: isolated_atoms}]", split))
    _, _, _, (energy,) = built(
        two("objectives=[{property: energy, references: isolated_atoms, own_references: true}]", split)
    )
    assert energy.by_dataset["high"][1] == 86.4


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("objectives=[{property: energy, dataset: low, own_references: true}]", "one head of all datasets"),
        ("objectives=[{property: energy, references: {Xx: 1.0}}]", "no element 'Xx'"),
        ("objectives=[{property: gap, references: isolated_atoms}]", "scalars that add up over atoms"),
        ("objectives=[{property: gap, own_references: true}]", "gap is no sum over atoms"),
        ("objectives=[{property: energy, own_references: bridge, references: isolated_atoms}]", "leave one"),
        ("data.0.weight=2", "only low of low, high have a weight"),
        ("data.0.weight=-1", "greater than 0"),
        ("sampling={temperature: 0}", "greater than 0"),
        ("sampling={temprature: 2}", "did you mean 'temperature'"),
        ("sampling={draws: 1}", "would never be drawn"),
        ("data.0.split={kind: group, by: compositon}", "did you mean 'composition'"),
        ("data.0.split={kind: folds, folds: 3, fold: 3}", "dataset 'low': fold 3 of 3"),
    ],
)
def test_mistakes_are_named(two, override, message):
    with pytest.raises(ValueError, match=message):
        built(two(override))


def test_weights_and_temperature_exclude_each_other(two):
    with pytest.raises(ValueError, match="by weight or by temperature"):
        two("data.0.weight=1", "data.1.weight=1", "sampling={temperature: 2}")


@pytest.mark.parametrize(
    ("overrides", "passes"),
    [
        ((), {"low": 3.0, "high": 3.0}),
        (("sampling={temperature: 1}",), {"low": 3.0, "high": 3.0}),
        (("sampling={temperature: 1e9}",), {"low": 2.25, "high": 4.5}),
        (("sampling={draws: 20}", "data.0.weight=3", "data.1.weight=1"), {"low": 1.125, "high": 0.75}),
    ],
)
def test_passes_over_each_dataset_are_counted_and_printed(two, tmp_path, overrides, passes):
    out = io.StringIO()
    config = two("training.epochs=3", *overrides)
    results = train(config, tmp_path / "run", console=Console(file=out, width=160))
    assert results is not None
    assert results.passes == passes
    assert json.loads((tmp_path / "run" / "results.json").read_text())["passes"] == passes
    assert ("An epoch" in out.getvalue()) == bool(overrides)
    if overrides:
        assert f"{passes['high'] / 3:.3g}" in out.getvalue()


@pytest.mark.parametrize("step", [1, 4, 8])
def test_a_sampled_run_resumes_to_the_same_bits(two, tmp_path, quiet, monkeypatch, step):
    config = two("sampling={temperature: 3, draws: 32}")  # 2 epochs of 4 batches
    train(config, tmp_path / "whole", console=quiet)
    original = loop._step

    def stopping(run, index, done):
        loss = original(run, index, done)
        if run.state.progress.step + 1 == step:
            run.stop.asked = True
        return loss

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_step", stopping)
        stopped = train(config, tmp_path / "parts", console=quiet)
    if step < 8:
        assert stopped is None
    train(config, tmp_path / "parts", resume=True, console=quiet)
    one, two_ = (read_tensors(tmp_path / x / "last.safetensors")[0] for x in ("whole", "parts"))
    assert all(torch.equal(one[k], two_[k]) for k in one)


def test_leaks_between_parts_and_datasets_are_printed_and_saved(two, tmp_path, toy_structures):
    """All of ``high`` stands in ``low`` too, at another level of theory; some of its val is in low/train."""
    out = io.StringIO()
    other = of_other_level(toy_structures(60, seed=1))[:40]
    config = two("training.epochs=1", other=replace(other, ids=tuple(f"h{k}" for k in range(40))))
    results = train(config, tmp_path / "run", console=Console(file=out, width=200))
    assert results is not None
    assert "9 of 10 structures of high/val stand in low/train too" in out.getvalue()
    serious = [(x["a"], x["b"]) for x in results.leaks if x["serious"]]
    assert ("low/train", "high/val") in serious
    assert all(a.split("/")[1] != b.split("/")[1] for a, b in serious)


def test_a_stable_split_keeps_bridges_on_one_side(two, tmp_path, toy_structures, make_config):
    other = of_other_level(toy_structures(60, seed=1))[:40]
    split = "{kind: group, by: composition, stable: true, train: 0.6, val: 0.2}"
    config = two(f"data.0.split={split}", f"data.1.split={split}", other=other)
    assert not [leak for leak in prepare(config).leaks if leak.serious]


@pytest.mark.parametrize(
    "split",
    [
        "{kind: group, by: elements, train: 0.6, val: 0.2}",
        "{kind: stratified, by: elements, train: 0.6, val: 0.2}",
        "{kind: folds, folds: 3, fold: 1, by: composition}",
        "{kind: folds, folds: 3, fold: 2}",
    ],
)
def test_every_kind_of_split_covers_the_dataset(two, split):
    rows = prepare(two(f"data.0.split={split}")).rows["low"]
    assert sorted(r for part in rows.values() for r in part.tolist()) == list(range(60))
