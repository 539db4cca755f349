"""The tables of the page on audits say what the results say, and name every check."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from atomscape.data.audit import check_names
from atomscape.data.check import SEVERITIES

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs" / "_ext"))

from audit_tables import by_tolerance, checks, found, results  # noqa: E402

CONTENT = results(ROOT / "experiments" / "audit" / "results.json")
CLEAN = ("qm9", "materials_project", "perov_5", "mlearn:Si", "lips", "mad", "3bpa", "mptrj")


def test_every_check_has_a_line() -> None:
    lines = checks(CONTENT).splitlines()[2:]
    assert [line.split(" | ")[0].strip("| ") for line in lines] == [
        n.replace("_", " ") for n in check_names()
    ]
    assert all(line.count(" | ") == 4 and "?" in line for line in lines)


def test_results_are_of_the_checks_there_are() -> None:
    said = {(f["check"], f["severity"]) for d in CONTENT["datasets"] for f in d["findings"]}
    assert {check for check, _ in said} <= {*check_names(), "reading"}
    assert {severity for _, severity in said} <= set(SEVERITIES)


def test_a_line_per_dataset() -> None:
    for kind in ("file", "source"):
        table = found(CONTENT, kind)
        for row in CONTENT["datasets"]:
            name = row["dataset"].rpartition("/")[2]
            assert (f"| `{name}` | {row['structures']:,} |" in table) == (row["kind"] == kind)
    assert by_tolerance(CONTENT).count("\n") == len(CONTENT["tolerances"]["different"]) + 2
    counts = list(CONTENT["tolerances"]["different"].values())
    assert counts == sorted(counts, reverse=True), "a larger tolerance tells fewer apart"


def test_clean_sources_raised_no_serious_alarm() -> None:
    rows = {d["dataset"]: d for d in CONTENT["datasets"]}
    assert set(CLEAN) <= rows.keys()
    for name in CLEAN:
        assert not [f for f in rows[name]["findings"] if f["severity"] == "serious"], name


def test_long_evidence_is_cut_and_bars_are_escaped() -> None:
    row = {"check": "cells", "severity": "serious", "evidence": "a|b " * 200}
    one = {"dataset": "x", "kind": "file", "structures": 1, "seconds": 1.0, "findings": [row]}
    one["written_by"] = "0"
    table, _, words = found({**CONTENT, "datasets": [one]}, "file").partition("- `x`")
    assert "| `x` | 1 | 1.0 | 1 | 0 | **cells** |" in table
    assert len(words) < 500
    assert "a\\|b" in words


def test_a_missing_file_says_how_it_is_made(tmp_path) -> None:
    with pytest.raises(LookupError, match=r"scripts/audit\.py"):
        results(tmp_path / "results.json")
    (tmp_path / "results.json").write_text(json.dumps({"datasets": []}))
    assert results(tmp_path / "results.json") == {"datasets": []}
