"""Tables of the missing-atom experiment say what the result files say, and refuse what is missing."""

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
    import missing_atom_tables

    yield missing_atom_tables
    sys.modules.pop("missing_atom_tables")


def scores(right: float) -> dict:
    """Scores of one set of molecules, as the experiment writes them."""
    value = {"value": right, "count": 100}
    keys = ("accuracy", "element_accuracy", "within_0.5", "top_3_accuracy", "balanced_accuracy")
    one = dict.fromkeys(keys, value) | {"distance_mae": {"value": 0.1, "count": 100}}
    density = {"nll": {"value": -5.0, "count": 100}, "calibration": {"expected_error": 0.012}}
    return one | density | {"elements": {"H": one, "N": one | {"accuracy": {"value": 0.5, "count": 7}}}}


@pytest.fixture
def root(tmp_path, tables):
    for name in tables.NETWORKS:
        folder = tmp_path / "experiments" / name
        folder.mkdir(parents=True)
        for seed, right in enumerate((0.97, 0.99)):
            content = {
                "n_parameters": 3050,
                "cpu_seconds": 1200.0,
                "missing_atoms": dict.fromkeys(tables.SETS, scores(right)),
            }
            (folder / f"results-seed{seed}.json").write_text(json.dumps(content))
    return tmp_path


def test_mean_and_deviation_over_seeds(tables, root):
    text = tables.accuracy(root)
    assert "98.00 ± 1.41 / 0.100 ± 0.000" in text
    assert "| 20 min |" in text
    assert "94.7 / 0.15" in text


def test_rare_elements_are_seen(tables, root):
    text = tables.elements(root)
    assert "N (7)" in text
    assert "50.00 ± 0.00" in text


def test_calibration_and_density(tables, root):
    text = tables.details(root)
    assert "1.2 ± 0.0" in text
    assert "-5.00 ± 0.00" in text


def test_no_results_are_refused(tables, tmp_path):
    with pytest.raises(LookupError, match="holds no results"):
        tables.accuracy(tmp_path)


def test_several_missing_atoms(tables, tmp_path):
    folder = tmp_path / "experiments" / "missing_several"
    folder.mkdir(parents=True)
    calibration = {"count": 10, "bins": [{"confidence": 0.5, "count": 4}, {"confidence": 1.0, "count": 6}]}
    row = {"missing": 2, "together": True, "structures": 10, "accuracy": 0.9, "top_5_accuracy": 1.0}
    content = {"missing_several": [row | {"atoms_right": 0.95, "calibration": calibration}]}
    (folder / "results.json").write_text(json.dumps(content))
    assert "| 2, neighbours | 10 | 90.0 | 100.0 | 95.0 | 80.0 |" in tables.several(tmp_path)
