"""The table of a run says what its file says, and names what is missing."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tables(monkeypatch):
    """The module beside the documentation."""
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_ext"))
    import run_tables

    yield run_tables
    sys.modules.pop("run_tables")


def metric(dataset: str, property: str, unit: str, mae: float) -> dict:
    """One metric as runs write it."""
    row = {"dataset": dataset, "property": property, "unit": unit}
    return row | {"mae": mae, "rmse": 2 * mae, "count": 1234}


@pytest.fixture
def root(tmp_path):
    rows = [
        metric("a", "energy", "eV", 0.5),
        metric("a", "energy", "eV/atom", 0.025),
        metric("b", "forces", "eV/Å", 1.5),
        metric("b", "metal", "wrong", 0.125),
    ]
    baselines = {
        "mean": {"test": [metric("a", "energy", "eV/atom", 0.1), metric("b", "forces", "eV/Å", 1.25)]},
        "composition": {"test": [metric("a", "energy", "eV/atom", 0.0625)]},
    }
    run = {"metrics": {"test": rows}, "baselines": baselines, "counts": {"a": {"train": 1000}}}
    run |= {"classes": {"test": {"b/metal": {"balanced_accuracy": 0.875, "roc_auc": 0.9375}}}}
    run |= {"epochs": 7, "n_parameters": 4321, "cpu_seconds": 600.0, "threads": 1, "seed": 0}
    (tmp_path / "experiments" / "e").mkdir(parents=True)
    (tmp_path / "experiments" / "e" / "results.json").write_text(json.dumps(run), encoding="utf-8")
    return tmp_path


def test_errors_beside_baselines(tables, root) -> None:
    run = tables.read(root, "e")
    text = tables.table(run).splitlines()
    assert text[0] == "| dataset | property | MAE | composition only | mean | RMSE | known |"
    assert "| a | energy, meV/atom | **25** | 62.5 | 100 | 50 | 1,234 |" in text
    assert "| b | forces, meV/Å | 1,500 | – | 1,250 | 3,000 | 1,234 |" in text
    assert "| b | metal, wrong | 0.125 | – | – | 0.25 | 1,234 |" in text
    assert len(text) == 5, "energies of whole structures are left out"
    line = tables.line(run)
    assert "1,000 structures, 7 epochs, 4,321 parameters, 10 minutes" in line
    assert line.endswith(" Metal: balanced accuracy 0.875, area under the ROC curve 0.938.")


def test_no_result_is_named(tables, root) -> None:
    with pytest.raises(LookupError, match=r"run python scripts/experiment.py nothing"):
        tables.read(root, "nothing")
