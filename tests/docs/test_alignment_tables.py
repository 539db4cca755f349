"""Tables of the alignment experiments say what the result files say, and refuse what is missing."""

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
    import alignment_tables

    yield alignment_tables
    sys.modules.pop("alignment_tables")


def gain(company: str, mean: float, half: float | None, verdict: str, task: str = "lips") -> dict:
    """One field of the matrix."""
    p = {"lips": "forces", "mp": "formation_energy"}[task]
    about = {"encoder": "egnn", "task": task, "property": p, "company": company}
    return about | {"gains": [mean], "mean": mean, "half_width": half, "verdict": verdict}


FOUND = {
    "options": {"steps": 400, "batch": 4},
    "commit": "0123456789abcdef",
    "details": {
        "gains": [
            gain("mp", -3.2, 8.0, "no effect"),
            gain("s2ef", 12.4, 3.1, "helps"),
            gain("lips", 2.0, None, "too small to conclude", "mp"),
        ],
        "alone": [
            {"encoder": "egnn", "task": "lips", "property": "forces", "unit": "eV/Å", "mae": 0.2345,
             "deviation": 0.0101, "mean": 0.439, "seeds": 3},
        ],
        "counts": {"mp": {p: {"structures": 1234, "groups": 1200} for p in ("train", "val", "test")}},
        "cpu_seconds": {"a": 60.0, "b": 120.0},
    },
}  # fmt: skip


def test_gains_are_marked_by_what_they_say(tables):
    rows = tables.gains(FOUND).splitlines()
    assert rows[0] == "| encoder | error of | with S2EF | with MP-20 | with LiPS |"
    assert rows[2:] == [
        "| egnn | MP-20 |  |  | (+2 %) |",
        "| egnn | LiPS forces | **+12 ± 3 %** | -3 ± 8 % |  |",
    ]


def test_pretraining_comes_before(tables):
    found = {"details": {"gains": [gain("symmetry", 1.0, 2.0, "no effect")]}}
    assert tables.gains(found).splitlines()[0].endswith("| after symmetry |")


def test_errors_data_and_effort(tables):
    assert "| LiPS forces | egnn | 234 ± 10 meV/Å | 439 meV/Å | 3 |" in tables.alone(FOUND)
    assert "| MP-20 | 1,234 | 1,234 | 1,200 | 1,200 |" in tables.data(FOUND)
    assert tables.run(FOUND).startswith("2 trainings of 400 steps with 4 structures of each dataset, 3 CPU")


def test_the_picture_stands_in_a_page(tables):
    drawn = tables.picture(FOUND)
    assert drawn.startswith("<svg")
    assert "+12 ± 3" in drawn


def test_what_is_missing_is_refused(tables, tmp_path):
    with pytest.raises(LookupError, match="atomscape recipe run alignment-pretraining --out DIR"):
        tables.results(tmp_path, "alignment_pretraining")
    (tmp_path / "experiments" / "alignment").mkdir(parents=True)
    (tmp_path / "experiments" / "alignment" / "results.json").write_text(json.dumps(FOUND))
    assert tables.results(tmp_path, "alignment") == FOUND
