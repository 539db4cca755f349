"""What the page says of matter stands in the result files."""

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
    import physics_tables

    yield physics_tables
    sys.modules.pop("physics_tables")


def fit(edge: float, c11: float) -> dict:
    """Constants as a fit writes them."""
    return {"edge": edge, "c11": c11, "c12": 130.0, "c44": 86.0, "misfit": 0.1, "frames": 37}


def test_constants_show_what_the_choice_of_cells_does(tables) -> None:
    found = {
        "reference": [fit(3.614, 174.0), fit(3.614, 181.0)],
        "same_strains": [fit(3.612, 170.0), fit(3.613, 179.0)],
        "small_strains": {"edge": 3.6125, "c11": 172.0, "c12": 128.0, "c44": 85.0},
        "bulk_modulus_of_volumes_gpa": 142.4,
    }
    text = tables.constants(found)
    assert "| edge of the cube, Å | 3.614 | 3.612 to 3.613 | 3.612 |" in text
    assert "| C₁₁, GPa | 174 to 181 | 170 to 179 | 172 |" in text
    assert "| bulk modulus, GPa | 145 to 147 | 143 to 146 | 143 |" in text
    assert "| 142 |" in text


def test_checks_stand_side_by_side(tables, tmp_path) -> None:
    row = {"name": "drift", "what": "5 ps", "value": 0.00123, "unit": "meV/atom/ps"}
    folder = tmp_path / "experiments" / "physics"
    folder.mkdir(parents=True)
    (folder / "copper.json").write_text(json.dumps({"case": "copper", "checks": [row]}), encoding="utf-8")
    copper = tables.read(tmp_path, "copper")
    text = tables.checks(copper, {"case": "3bpa", "checks": [{**row, "value": 2.0}]})
    assert "| drift: 5 ps | 0.0012 meV/atom/ps | 2 meV/atom/ps |" in text
    with pytest.raises(LookupError, match=r"run\.py silicon writes it"):
        tables.read(tmp_path, "silicon")


def test_bands_are_drawn_with_their_names(tables) -> None:
    band = {"distance": [0.0, 1.0], "frequencies_thz": [[0.0, 15.0], [4.0, 12.0]]}
    ticks = [{"distance": 0.0, "name": "Γ"}, {"distance": 1.0, "name": "X"}]
    drawn = tables.bands({"phonons": {"bands": [band], "ticks": ticks}})
    assert drawn.startswith("<svg")
    assert "Γ" in drawn
