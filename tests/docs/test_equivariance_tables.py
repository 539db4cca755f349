"""The tables of what equivariance is worth say what the result files say, and how sure it is."""

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
    import equivariance_tables

    yield equivariance_tables
    sys.modules.pop("equivariance_tables")


def write(root: Path, side: str, task: str, seed: int, size: float) -> None:
    """A file as a run writes it; all its errors are ``size``."""
    names = {
        "3bpa": (("energy", "eV"), ("forces", "eV/Å")),
        "qm9": (("gap", "eV"), ("energy_zero_kelvin", "eV")),
    }
    metrics = [{"property": p, "unit": unit, "mae": size, "rmse": size} for p, unit in names[task]]
    run = {"metrics": metrics, "parameters": 1000, "epochs": 10 + seed, "cpu_seconds": 480.0}
    folder = root / "experiments" / "equivariance"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{task}-{side}-{seed}.json").write_text(json.dumps(run), encoding="utf-8")


def test_verdict_needs_more_than_scatter(tables, tmp_path) -> None:
    for task, sizes in {"3bpa": (0.04, 0.041, 0.042), "qm9": (0.09, 0.12, 0.15)}.items():
        for seed, size in enumerate(sizes):
            write(tmp_path, "mace", task, seed, size)
    for task, sizes in {"3bpa": (0.08, 0.081, 0.082), "qm9": (0.1, 0.12, 0.16)}.items():
        for seed, size in enumerate(sizes):
            write(tmp_path, "attention", task, seed, size)
    runs = tables.read(tmp_path)
    text = tables.errors(runs)
    assert "| 3BPA, energy | 41 ± 1 meV | 81 ± 1 meV |" in text
    assert text.count("equivariance wins") == 2
    assert text.count("too close to tell") == 2
    middle, low, high = tables.ratio([1.0, 1.1, 0.9], [2.0, 2.2, 1.8])
    assert middle == pytest.approx(2.0)
    assert low < 2 < high
    assert low * high == pytest.approx(4.0)
    assert "| qm9, attention | 1,000 | 10 to 12 | 8.0 | 3 |" in tables.effort(runs)
    drawn = tables.picture(runs)
    assert drawn.startswith("<svg")
    assert "QM9, gap" in drawn


def test_what_is_missing_is_named(tables, tmp_path) -> None:
    write(tmp_path, "mace", "3bpa", 0, 0.04)
    with pytest.raises(LookupError, match="holds 1 results of 3bpa mace"):
        tables.read(tmp_path)
