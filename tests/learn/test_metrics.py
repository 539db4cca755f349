"""Errors: exact sums over batches, units, unknown labels."""

from __future__ import annotations

import json
import math

import pytest
import torch

from atomscape.atoms.properties import PROPERTIES
from atomscape.learn.log import Log
from atomscape.learn.metrics import Errors, Metric, find_metric, shown
from atomscape.learn.report import metric_table


def test_errors_over_batches_equal_errors_at_once(toy_structures, generator):
    s = toy_structures(10)
    names = ("energy", "forces", "gap")
    predictions = {
        k: s.labels[k] + torch.randn(s.labels[k].shape, generator=generator).double() for k in names
    }
    s = s.with_labels(**{f"p_{k}": v for k, v in predictions.items()})
    dataset = torch.arange(10) // 6
    errors = Errors(("a", "b"), [PROPERTIES[k] for k in names])
    for rows in ([0, 1, 7], [2, 9, 8, 3], [4, 5, 6]):
        part = s[rows]
        errors.add({k: part.labels[f"p_{k}"] for k in names}, part, dataset[rows])
    found = {(m.dataset, m.property, m.unit): m for m in errors.metrics()}
    assert len(found) == 8
    e = (predictions["energy"] - s.labels["energy"])[:6]
    assert found["a", "energy", "eV"].mae == pytest.approx(float(e.abs().mean()))
    assert found["a", "energy", "eV/atom"].rmse == pytest.approx(
        float((e / s.counts[:6]).square().mean().sqrt())
    )
    f = (predictions["forces"] - s.labels["forces"])[s.structure >= 6]
    assert found["b", "forces", "eV/Å"].rmse == pytest.approx(float(f.square().mean().sqrt()))
    assert found["b", "forces", "eV/Å"].count == f.numel()


def test_unknown_labels_are_not_counted(toy_structures):
    s = toy_structures(4)
    gap = torch.tensor([1.0, math.nan, 3.0, math.nan], dtype=torch.float64)
    errors = Errors(("a",), [PROPERTIES["gap"], PROPERTIES["homo"]])
    errors.add(
        {"gap": torch.zeros(4), "homo": torch.zeros(4)},
        s.with_labels(gap=gap),
        torch.zeros(4, dtype=torch.int64),
    )
    (metric,) = errors.metrics()
    assert (metric.property, metric.mae, metric.count) == ("gap", 2.0, 2)
    assert metric.rmse == pytest.approx(math.sqrt(5))
    assert find_metric([], metric).count == 0


@pytest.mark.parametrize(
    ("unit", "value", "name"),
    [
        ("eV", 1000, "meV"),
        ("eV/atom", 1000, "meV/atom"),
        ("eV/Å", 1000, "meV/Å"),
        ("e·Å", 4.80320, "D"),
        ("e", 1, "e"),
    ],
)
def test_printed_units(unit, value, name):
    assert shown(1.0, unit) == (pytest.approx(value, rel=1e-5), name)


def test_log_is_cut_back_to_a_checkpoint(tmp_path):
    log = Log(tmp_path)
    kept = log.write({"epoch": 1, "val": {"gap": 1.0}})
    log.write({"epoch": 2, "val": {"gap": 0.5}, "more": 1})
    assert (tmp_path / "metrics.csv").read_text().splitlines()[0] == "epoch,val/gap,more"
    again = Log(tmp_path, kept)
    assert again.read() == [{"epoch": 1, "val": {"gap": 1.0}}]
    again.write({"epoch": 2, "val": {"gap": 0.7}})
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(x)["val"]["gap"] for x in lines] == [1.0, 0.7]


def test_errors_on_several_datasets_say_whose_they_are():
    rows = [Metric(d, "gap", "eV", 0.1, 0.2, 5) for d in ("a", "b")]
    assert list(metric_table(rows, "", "test").columns[0].cells) == ["a: gap, meV", "b: gap, meV"]
    assert list(metric_table(rows[:1], "", "test").columns[0].cells) == ["gap, meV"]
