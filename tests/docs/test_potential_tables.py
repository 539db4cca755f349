"""Tables of potentials say what the result files say, and name what is missing."""

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
    import potential_tables

    yield potential_tables
    sys.modules.pop("potential_tables")


def rows(parts: dict[str, float], stress: bool = False) -> list[dict]:
    """Metrics of a run whose energies are off by ``parts`` eV, forces by a tenth of it."""
    kinds = {("energy", "eV"): 1.0, ("energy", "eV/atom"): 0.1, ("forces", "eV/Å"): 0.1}
    kinds |= {("stress", "eV/Å³"): 0.01} if stress else {}
    return [
        {"part": part, "property": name, "unit": unit, "rmse": size * times, "mae": 0.0}
        for part, size in parts.items()
        for (name, unit), times in kinds.items()
    ]


def written(root: Path, name: str, parts: dict[str, float], stress: bool = False) -> None:
    """A file as a run writes it."""
    run = {
        "metrics": rows(parts, stress),
        "references_only": rows(dict.fromkeys(parts, 1.0), stress),
        "frames": {"train": 450, "val": 50, "test": 469},
        "budget_seconds": 2400.0,
        "cpu_seconds": 2340.0,
        "schedule_ended": True,
        "epochs": 77,
        "plan": {"seconds_per_epoch": 29.9},
        "parameters": 123456,
        "versions": {"mace-torch": "0.3.16"},
    }
    folder = root / "experiments" / "potentials"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(run), encoding="utf-8")


def test_errors_by_part_beside_what_was_published(tables, tmp_path) -> None:
    written(tmp_path, "3bpa-mace", {"all": 0.05, "300 K": 0.0041, "600 K": 0.02})
    written(tmp_path, "3bpa-mace-seed1", {"all": 0.05, "300 K": 0.0043, "600 K": 0.02})
    written(tmp_path, "3bpa-mace-torch", {"all": 0.05, "300 K": 0.004, "600 K": 0.1})
    figures = {"note": "Somebody.", "rows": [{"name": "MACE", "300 K": [3.4, 10.3], "600 K": [9.9, 24.6]}]}
    text = tables.errors(tables.read(tmp_path, "3bpa"), figures)
    assert "| trained here | E, meV, 300 K | F, meV/Å, 300 K | E, meV, 600 K | F, meV/Å, 600 K |" in text
    assert "| **mace** (ours) | 4.20 ± 0.14 | 0.42 ± 0.01 | **20.0** | **2.00** |" in text
    assert "| mace-torch 0.3.16 | **4.00** | **0.40** | 100 | 10.0 |" in text
    assert "| MACE (published, trained at length) | 3.40 | 10.3 | 9.90 | 24.6 |" in text
    assert "469 test; 40 minutes of CPU time" in text
    assert "Published: Somebody." in text


def test_crystals_have_energies_per_atom_and_stress(tables, tmp_path) -> None:
    written(tmp_path, "Cu-mace", {"all": 0.05}, stress=True)
    text = tables.errors(tables.read(tmp_path, "Cu"))
    assert "| trained here | E, meV/atom | F, meV/Å | stress, meV/Å³ |" in text
    assert "| **mace** (ours) | **5.00** | **5.00** | **0.50** |" in text
    assert "| **mace** (ours) | 123,456 | 77 | 39.0 | 29.9 | yes |" in tables.effort(
        tables.read(tmp_path, "Cu")
    )


def test_no_result_is_named(tables, tmp_path) -> None:
    with pytest.raises(LookupError, match=r"no result of lips; python experiments/potentials/run.py"):
        tables.read(tmp_path, "lips")


def test_published_figures_fit_the_parts(tables) -> None:
    """Each row has energy and forces of every part of the task."""
    for row in tables.published(ROOT)["3bpa"]["rows"]:
        assert set(row) == {"name", "300 K", "600 K", "1200 K"}
        assert all(len(row[part]) == 2 for part in set(row) - {"name"})
