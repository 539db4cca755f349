"""Tables of shared encoders say what the result files say, and name what is missing."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UNITS = {
    "gap": ("eV", 0.16),
    "energy_zero_kelvin": ("eV", 0.05),
    "isotropic_polarizability": ("Å³", 0.1),
    "dipole_norm": ("e·Å", 0.020819433442462576),
}


@pytest.fixture
def tables(monkeypatch):
    """The module beside the documentation."""
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_ext"))
    import sharing_tables

    yield sharing_tables
    sys.modules.pop("sharing_tables")


def written(root: Path, name: str, times: float = 1.0, only: str = "") -> None:
    """A file as a run writes it, with errors ``times`` those above."""
    rows = [
        {"dataset": "qm9", "property": p, "unit": unit, "mae": mae * times, "rmse": 1.0}
        for p, (unit, mae) in UNITS.items()
        if only in ("", p)
    ]
    baseline = [{**row, "mae": 10 * row["mae"]} for row in rows]
    run = {"metrics": {"test": rows}, "cpu_seconds": 600.0}
    run["baselines"] = {"mean": {"test": baseline}, "composition": {"test": baseline}}
    folder = root / "experiments" / "sharing"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(run), encoding="utf-8")


def test_errors_and_baselines(tables, tmp_path) -> None:
    written(tmp_path, "1k-tfn-all")
    written(tmp_path, "1k-tfn-all-seed1", 1.1)
    written(tmp_path, "1k-tfn-gap", 2.0, "gap")
    written(tmp_path, "5k-schnet-all")
    text = tables.errors(tables.read(tmp_path), "1k").splitlines()
    assert "| **tfn** | four in one run | 168 ± 11 | 53 ± 4 | 0.105 ± 0.007 | 0.105 ± 0.007 | 10 |" in text
    assert "| **tfn** | a run for each | 320 | – | – | – | 10 |" in text
    assert "| mean |  | 1,600 | 500 | 1.000 | 1.000 |  |" in text
    assert not any("schnet" in line for line in text)


def test_gain_is_taken_seed_by_seed(tables, tmp_path) -> None:
    for seed, together, alone in (("", 1.1, 1.0), ("-seed1", 1.0, 1.25)):
        written(tmp_path, f"1k-tfn-all{seed}", together)
        written(tmp_path, f"1k-tfn-gap{seed}", alone, "gap")
    text = tables.gain(tables.read(tmp_path))
    assert "| **tfn** | 1,000 | −5 ± 21 % | – | – | – | 2 |" in text


def test_no_result_is_named(tables, tmp_path) -> None:
    with pytest.raises(LookupError, match=r"holds no results; python experiments/sharing/run.py"):
        tables.read(tmp_path)
