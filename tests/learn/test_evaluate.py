"""Evaluation and prediction outside a run."""

from __future__ import annotations

import math

import pytest
import torch

from atomscape.atoms.properties import PROPERTIES
from atomscape.atoms.structures import Structures
from atomscape.data.card import PropertyRecord
from atomscape.data.store import Store
from atomscape.learn.architecture import Architecture, HeadRecord, architecture_of
from atomscape.learn.config import PlugIn
from atomscape.learn.evaluate import batches_in_order, evaluate, predict
from atomscape.learn.model import Model
from atomscape.learn.prepare import prepare


@pytest.fixture
def model(make_config) -> Model:
    """An untrained model for energy and gap."""
    config = make_config(
        "objectives=[{property: energy}, {property: forces}, {property: gap}]", "dtype=float64"
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Model(architecture_of(config, prepare(config).properties))


def test_predictions_do_not_depend_on_the_batch(model, toy):
    store = Store.open(toy)
    rows = [5, 50, 7, 8, 9, 10]
    ((structures, whole),) = list(predict(model, store, rows))
    assert len(structures) == 6
    single = [next(iter(predict(model, store, [r])))[1] for r in rows]
    for name, values in whole.items():
        assert torch.allclose(values, torch.cat([p[name] for p in single]), atol=1e-12), name
        assert not values.requires_grad
    assert model.training


def test_evaluate_on_rows(model, toy):
    store = Store.open(toy)
    found = {(m.property, m.unit): m for m in evaluate(model, store, range(20), dataset="toy")}
    assert set(found) == {("energy", "eV"), ("energy", "eV/atom"), ("forces", "eV/Å"), ("gap", "eV")}
    ((structures, predictions),) = list(predict(model, store, range(20)))
    error = predictions["gap"] - structures.labels["gap"]
    assert found["gap", "eV"].mae == pytest.approx(float(error.abs().mean()))


def test_nothing_to_compare(make_config, toy_crystals):
    config = make_config()
    model = Model(architecture_of(config, prepare(config).properties))
    with pytest.raises(
        ValueError, match=r"nothing to compare: the model predicts gap; toy_crystals has labels energy"
    ):
        evaluate(model, Store.open(toy_crystals))


def test_batches_in_order():
    assert list(batches_in_order([3, 3, 3, 9, 1, 1], atoms=6)) == [
        range(0, 2),
        range(2, 3),
        range(3, 4),
        range(4, 6),
    ]
    assert list(batches_in_order([])) == []


def test_whose_heads(make_config, toy, toy_crystals):
    base = make_config().data[0]
    both = ", ".join(f"{{name: {n}, source: {base.source}}}" for n in ("toy", "other"))
    rows = "objectives=[{property: gap, dataset: toy}, {property: gap, dataset: other}]"
    config = make_config(f"data=[{both}]", rows)
    model = Model(architecture_of(config, prepare(config).properties))
    store = Store.open(toy)
    by_name = evaluate(model, store, [1, 2])
    assert by_name == evaluate(model, store, [1, 2], "toy")
    assert by_name[0].mae != evaluate(model, store, [1, 2], "other")[0].mae
    config = make_config(f"data=[{both.replace('toy,', 'third,')}]", rows.replace("toy", "third"))
    model = Model(architecture_of(config, prepare(config).properties))
    with pytest.raises(LookupError, match="heads of its own for third, other; say which are meant for toy"):
        evaluate(model, store)


def test_a_stress_label_of_a_molecule_is_no_error_that_is_not_a_number(tmp_path, store_of, toy_structures):
    crystals, molecules = toy_structures(3, seed=1, periodic=True), toy_structures(2, seed=2)
    molecules = molecules.with_labels(stress=torch.ones(2, 3, 3, dtype=torch.float64))
    store = store_of(tmp_path / "mixed", Structures.concatenate([crystals, molecules]))
    energy = HeadRecord(
        dataset="shared", predicts=PropertyRecord.of(PROPERTIES["energy"]), head=PlugIn(kind="scalar")
    )
    encoder = PlugIn(kind="schnet", channels=4, layers=1, cutoff=3.0)
    architecture = Architecture(
        encoder=encoder, heads=(energy,), datasets=("a",), derivatives=("stress",), dtype="float64"
    )
    stress = next(m for m in evaluate(Model(architecture), store) if m.property == "stress")
    assert stress.count == 27
    assert math.isfinite(stress.mae)


def test_only_a_store_has_splits(model, toy_structures):
    with pytest.raises(ValueError, match="only a store has a split called 'test'"):
        next(predict(model, toy_structures(2), "test"))
