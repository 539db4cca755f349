"""Tables of the page "Fixed representations" say what the run's file says, and refuse what is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def representation_tables(monkeypatch):
    """The module beside the documentation."""
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_ext"))
    import representation_tables

    yield representation_tables
    sys.modules.pop("representation_tables")


def test_the_run_that_is_kept(representation_tables):
    """Numbers in the tables are those of the file, row by row."""
    results = representation_tables.read(ROOT)
    made = {name: table(results) for name, table in representation_tables.TABLES.items()}
    qm9, crystals = results["problems"]
    soap = qm9["representations"]["soap"]
    assert f"| {soap['bonding_read']:.2f} | {soap['freedoms_seen']:.2f} |" in _row(made["sees"], "soap")
    last = soap["errors"][-1]["targets"]["gap"]
    assert f"{last['mae']:.3f} ± {last['spread']:.3f}" in _row(made["learned"], "soap")
    assert f"{crystals['mean']['formation_energy']['mae']:.3f}" in made["learned"]
    assert _row(made["apart"], "sine_matrix").count("–") == 4
    assert results["commit"][:8] in made["run"]
    shares = [m["bonding_read"] for m in qm9["representations"].values()]
    assert all(0 < share < 1 for share in shares)
    for name in results["universality"]:
        assert all(f"| **{name}** |" in made[k] for k in ("sees", "ignores", "apart", "learned"))


def test_claims_are_what_was_measured(representation_tables):
    """On real structures, too: what is claimed to be ignored changed by rounding only."""
    results = representation_tables.read(ROOT)
    checked = 0
    for problem in results["problems"]:
        for name, measured in problem["representations"].items():
            for change, value in measured["violations"].items():
                if change in results["claims"][name]["invariances"]:
                    assert value < 1e-8, (problem["dataset"], name, change)
                    checked += 1
    assert checked > 50


def test_every_file_is_in_the_run(representation_tables):
    """A representation that is added has to be measured before the page is built anew."""
    from atomscape.find import available

    assert set(representation_tables.read(ROOT)["universality"]) == set(available("representations"))


def test_a_run_that_is_missing(representation_tables, tmp_path):
    """Says which command writes the file."""
    with pytest.raises(LookupError, match=r"run\.py writes it"):
        representation_tables.read(tmp_path)


def test_every_table_of_the_page_exists(representation_tables):
    """Arguments of the directive."""
    page = (ROOT / "docs" / "representations.md").read_text(encoding="utf-8")
    asked = [line.split("} ")[1] for line in page.splitlines() if line.startswith("```{representations}")]
    assert sorted(asked) == sorted(representation_tables.TABLES)


def _row(table: str, name: str) -> str:
    return next(line for line in table.splitlines() if line.startswith(f"| **{name}**"))
