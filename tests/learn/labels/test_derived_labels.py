"""Labels made of others: direct forces beside derivatives, metals from gaps, and what models keep of it."""

from __future__ import annotations

import json

import pytest
import torch
from sklearn.metrics import f1_score, roc_auc_score

from atomscape.atoms.properties import PROPERTIES
from atomscape.atoms.structures import Structures
from atomscape.data.load import load
from atomscape.heads import classes
from atomscape.learn.checkpoint import load_model
from atomscape.learn.class_scores import balanced_accuracy, f1, roc_auc, scores
from atomscape.learn.confusion import ClassOutputs
from atomscape.learn.evaluate import evaluate, predict
from atomscape.learn.labels.derive import made_by
from atomscape.learn.labels.derive_rule import Derive
from atomscape.learn.prepare import prepare
from atomscape.learn.run_folder import BEST, RESULTS
from atomscape.learn.train import train
from atomscape.o3.irreps import Irreps
from atomscape.testing import cases

TFN = {"kind": "tfn", "l_max": 1, "channels": 4, "layers": 1, "cutoff": 3.0}


def with_(make_config, rows, *overrides, encoder=None):
    given = {"objectives": rows} | ({"encoder": encoder} if encoder else {})
    return make_config(*(f"{k}={json.dumps(v)}" for k, v in given.items()), *overrides)


def test_forces_are_learned_as_derivatives_and_directly_in_one_run(make_config, tmp_path, quiet, toy):
    rows = [{"property": "energy"}, {"property": "forces"}, {"property": "non_conservative_forces"}]
    direct = {"kind": "direct_forces", "hidden": 8}
    config = with_(make_config, [*rows[:2], rows[2] | {"head": direct}], "training.epochs=8", encoder=TFN)
    results = train(config, tmp_path / "run", console=quiet)
    found = {m.property: m for m in results.metrics["test"]}
    assert found["non_conservative_forces"].count == found["forces"].count
    assert found["non_conservative_forces"].unit == "eV/Å"
    mean = {m.property: m for m in results.baselines["mean"]["test"]}
    assert found["non_conservative_forces"].rmse < 0.9 * mean["non_conservative_forces"].rmse
    model = load_model(tmp_path / "run" / BEST)
    ((s, predictions),) = predict(model, load(str(toy)), range(4))
    assert "non_conservative_forces" not in s.labels, "data are what they are"
    total = torch.zeros(4, 3).double().index_add(0, s.structure, predictions["non_conservative_forces"])
    assert float(total.abs().max()) < 1e-12
    assert not torch.allclose(predictions["non_conservative_forces"], predictions["forces"].double())
    assert {m.property for m in evaluate(model, load(str(toy)))} == {
        "energy",
        "forces",
        "non_conservative_forces",
    }


def test_a_net_force_can_be_kept(make_config, tmp_path, quiet, toy):
    row = {"property": "non_conservative_forces", "head": {"kind": "direct_forces", "net_force": "free"}}
    train(with_(make_config, [row], "training.epochs=1", encoder=TFN), tmp_path / "run", console=quiet)
    ((s, found),) = predict(load_model(tmp_path / "run" / BEST), load(str(toy)), range(4))
    total = torch.zeros(4, 3).double().index_add(0, s.structure, found["non_conservative_forces"])
    assert float(total.abs().max()) > 1e-9


def test_stress_is_learned_directly_of_crystals_only(make_config, toy, toy_crystals):
    data = [
        {"name": n, "source": str(f), "split": {"kind": "random", "train": 16, "val": 4}}
        for n, f in {"a": toy, "b": toy_crystals}.items()
    ]
    rows = [{"property": "non_conservative_stress"}]
    config = with_(make_config, rows, f"data={json.dumps(data)}", encoder=TFN | {"l_max": 2})
    prepared = prepare(config)
    s, owner = prepared.structures["train"], prepared.dataset["train"]
    known = s.labels["non_conservative_stress"].isfinite().flatten(1).all(1)
    assert torch.equal(known, owner == 1)
    assert set(s.labels) == {"non_conservative_stress"}


def test_forces_without_energy_name_the_direct_ones(make_config, tmp_path, quiet):
    with pytest.raises(ValueError, match="predict them directly as property non_conservative_forces"):
        train(with_(make_config, [{"property": "forces"}]), tmp_path / "run", console=quiet)


def test_wide_gaps_are_a_class_and_models_remember_what_that_means(make_config, tmp_path, quiet, toy):
    gaps = torch.tensor(load(str(toy)).values("gap"))
    middle = float(gaps.median())
    rows = [
        {"property": "gap"},
        {
            "property": "wide",
            "derive": {"label": "gap", "at_least": middle},
            "head": {"kind": "classes", "balanced": True},
        },
    ]
    results = train(with_(make_config, rows, "training.epochs=25"), tmp_path / "run", console=quiet)
    written = results.classes["test"]["toy/wide"]
    assert written["count"] == 10
    wrong = next(m for m in results.metrics["test"] if m.property == "wide")
    assert written["accuracy"] == pytest.approx(1 - wrong.mae)
    assert results.classes["train"]["toy/wide"]["roc_auc"] > 0.75
    assert json.loads((tmp_path / "run" / RESULTS).read_text())["classes"]["test"]["toy/wide"] == written
    model = load_model(tmp_path / "run" / BEST)
    assert model.architecture.rules == {"wide": Derive(label="gap", at_least=middle)}
    (again,) = (m for m in evaluate(model, load(str(toy))) if m.property == "wide")
    assert again.count == 60


def test_metal_needs_no_words(make_config):
    prepared = prepare(with_(make_config, [{"property": "metal"}]))
    assert prepared.properties["metal"] is PROPERTIES["metal"]
    assert prepared.structures["train"].labels["metal"].unique().tolist() == [0.0]


def test_rules():
    gap = torch.tensor([0.0, 0.05, 2.0, torch.nan]).double()
    assert made_by(Derive(label="gap", at_most=0.1), gap)[:3].tolist() == [1.0, 1.0, 0.0]
    assert made_by(Derive(label="gap", at_most=0.1), gap)[3].isnan()
    assert made_by(Derive(label="gap", at_least=0.05, at_most=1), gap)[:3].tolist() == [0.0, 1.0, 0.0]
    assert str(Derive(label="gap", at_least=0.05, at_most=1)) == "0.05 ≤ gap ≤ 1"
    assert torch.equal(made_by(Derive(label="gap"), gap)[:3], gap[:3])


def test_classes_of_one_dataset_stand_beside_another_dataset(make_config, tmp_path, quiet, toy, toy_crystals):
    """The other has no such head, and no number to compare."""
    data = ", ".join(f"{{name: {n}, source: {p}}}" for n, p in (("a", toy), ("b", toy_crystals)))
    rows = [
        {
            "property": "wide",
            "dataset": "a",
            "head": {"kind": "classes"},
            "derive": {"label": "gap", "at_least": 6},
        },
        {"property": "energy", "dataset": "b"},
    ]
    config = with_(make_config, rows, f"data=[{data}]", "training.epochs=1")
    results = train(config, tmp_path / "run", console=quiet)
    assert results is not None
    found = {(m.dataset, m.property) for m in results.metrics["test"]}
    assert found == {("a", "wide"), ("b", "energy")}


def test_a_rule_that_nothing_keeps_to_is_refused():
    with pytest.raises(ValueError, match=r"at_least \(2\) is more than at_most \(1\)"):
        Derive(label="gap", at_least=2, at_most=1)


def test_a_rule_of_a_label_that_is_not_there_names_it(make_config):
    rows = [{"property": "wide", "head": {"kind": "classes"}, "derive": {"label": "gapp", "at_least": 3}}]
    with pytest.raises(ValueError, match=r"no label 'wide' in toy, and no 'gapp' .* did you mean 'gap'"):
        prepare(with_(make_config, rows))


def test_scores_of_classes():
    """Six of class 0, two of class 1: accuracy flatters, and equal scores count half."""
    p = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.6, 0.4, 0.4, 0.9]).double()
    labels = torch.tensor([0, 0, 0, 0, 0, 0, 1, 1])
    found = ClassOutputs(torch.stack([1 - p, p], 1).log(), labels, ("",) * 8)
    assert scores(found)["accuracy"] == 0.75
    assert balanced_accuracy(found) == pytest.approx((5 / 6 + 1 / 2) / 2)
    assert f1(found) == pytest.approx(0.5)
    assert roc_auc(found) == pytest.approx((6 + 3 + 2 * 0.5) / 12)
    assert roc_auc(found) == pytest.approx(roc_auc_score(labels, p))
    assert f1(found) == pytest.approx(f1_score(labels, (p > 0.5).long()))
    one = found.of(list(range(6)))
    assert scores(one)["roc_auc"] is None
    assert balanced_accuracy(one) == pytest.approx(5 / 6)


def test_balanced_classes_count_alike():
    """Labels 0, 0, 0, 1: errors of the class that is rare weigh three times as much."""
    head = classes.build(classes.Config(balanced=True), Irreps("2x0e"), (PROPERTIES["metal"],))
    plain = classes.build(classes.Config(), Irreps("2x0e"), (PROPERTIES["metal"],))
    assert set(head.state_dict()) - set(plain.state_dict()) == {"weights"}
    assert "balanced" not in classes.Config().model_dump()
    assert classes.Config(balanced=True).model_dump()["balanced"] is True
    labels = torch.tensor([0.0, 0.0, 0.0, 1.0]).double()
    four = Structures.concatenate([cases.water()] * 4).with_labels(metal=labels)
    head.fit(four)
    torch.testing.assert_close(head.weights, torch.tensor([2 / 3, 2.0]).double())
