"""Tables of the page "Faster than quantum chemistry" say what the run's file says."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def faster_tables(monkeypatch):
    """The module beside the documentation."""
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_ext"))
    import faster_tables

    yield faster_tables
    for name in ("faster_tables", "speed_tables"):
        sys.modules.pop(name, None)


def test_the_run_that_is_kept(faster_tables):
    """Numbers in the tables are those of the file, row by row."""
    results = faster_tables.read(ROOT)
    made = faster_tables.table(results, "gap")
    model = next(r for r in results["properties"]["gap"] if r["method"] == "tfn")
    assert f"| **tfn** | {1e3 * model['mae']:.0f} ± " in made
    assert f"| {model['seconds']['1'] * 1e3:.3g} ms | " in made
    assert f"{results['counts']['test']:,}" in made
    assert len(made.splitlines()) == 2 + len(results["properties"]["gap"])
    assert results["commit"][:8] in faster_tables.origin(results)
    assert all(m["id"] in faster_tables.reproduced(results) for m in results["dft"])
    for text in faster_tables.TEXTS.values():
        assert text(results)


def test_the_page_is_right_about_the_labels(faster_tables):
    """They are reproduced: a fraction of a meV in the energy, rounding in the orbital energies."""
    for molecule in faster_tables.read(ROOT)["dft"]:
        assert abs(molecule["energy_error"]) < 1, molecule
        assert abs(molecule["gap_error"]) < 5, molecule
        assert abs(molecule["homo_error"]) < 5, molecule
        assert abs(molecule["dipole_error"]) < 1e-3, molecule


def test_what_was_trained_is_the_experiment(faster_tables):
    """Its error is that of the other runs of the same config, within their spread and a little."""
    results = faster_tables.read(ROOT)
    here = results["training"]["gap"]["test"][0]["mae"]
    kept = json.loads((ROOT / "experiments/qm9_gap_tfn/results.json").read_text(encoding="utf-8"))
    assert here == pytest.approx(kept["metrics"]["test"][0]["mae"], rel=0.05)
    table = {r["method"]: r["mae"] for r in results["properties"]["gap"]}
    assert table["tfn"] == pytest.approx(here, rel=1e-4)
    assert table["tfn, tables"] == pytest.approx(here, rel=1e-3)


def test_the_picture(faster_tables):
    """One panel a property, a mark for each method with a time, its legend in plain words."""
    drawn = faster_tables.picture(faster_tables.read(ROOT))
    assert drawn.startswith("<svg")
    for name in ("HOMO–LUMO gap", "total energy", "GFN2-xTB, fitted", "B3LYP/6-31G(2df,p)", "tfn"):
        assert name in drawn
    assert "**" not in drawn


def test_a_run_that_is_missing(faster_tables, tmp_path):
    """Says which command writes the file."""
    with pytest.raises(LookupError, match=r"run\.py writes it"):
        faster_tables.read(tmp_path)


def test_every_part_of_the_page_exists(faster_tables):
    """Arguments of the directive."""
    page = (ROOT / "docs" / "faster.md").read_text(encoding="utf-8")
    asked = re.findall(r"```\{faster\} (\w+)", page)
    assert sorted(asked) == sorted([*faster_tables.TEXTS, "picture"])
