"""Tables of the page "Results" say what the files say, and refuse what is missing."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def result_tables(monkeypatch):
    """The module beside the documentation."""
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_ext"))
    import result_tables

    yield result_tables
    sys.modules.pop("result_tables")


def result(mae: float, seed: int) -> dict:
    """What a run writes, as far as a table reads it."""

    def metric(value):
        return [
            {"dataset": "qm9", "property": "gap", "unit": "eV", "mae": value, "rmse": 2 * value, "count": 9}
        ]

    def parts(value):
        return {part: metric(value) for part in ("train", "val", "test")}

    return {
        "metrics": parts(mae),
        "baselines": {"mean": parts(1.0), "composition": parts(0.5)},
        "counts": {"qm9": {"train": 5000, "val": 500, "test": 3000}},
        "n_parameters": 12345,
        "cpu_seconds": 1200.0,
        "seed": seed,
        "commit": "0123456789abcdef",
    }


def test_a_table(tmp_path, result_tables):
    """Mean and deviation over seeds, baselines below, everything with its unit."""
    files = [f"experiments/a/results-{seed}.json" for seed in (0, 1)]
    (tmp_path / "experiments/a").mkdir(parents=True)
    for seed, file in enumerate(files):
        (tmp_path / file).write_text(json.dumps(result(0.15 + 0.02 * seed, seed)))
    row = {"name": "tfn", "files": files}
    text = result_tables.markdown(result_tables.Table("Gap", "qm9", "gap", "eV", (row,)), tmp_path)
    lines = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("|")}
    assert "0.160 ± 0.014 | 0.320 ± 0.028 | 12,345 | 20 min | 0, 1 | 01234567" in lines["**tfn**"]
    assert "0.500 | 1.000" in lines["composition only (linear)"]
    assert text.splitlines()[-1] == "Errors of gap in eV; structures: 5,000 train, 500 val, 3,000 test."


def test_a_missing_file_is_refused(tmp_path, result_tables):
    """So is a property that the run does not have."""
    row = {"name": "tfn", "files": ["experiments/none/results.json"]}
    with pytest.raises(LookupError, match="does not exist"):
        result_tables.markdown(result_tables.Table("Gap", "qm9", "gap", "eV", (row,)), tmp_path)
    (tmp_path / "r.json").write_text(json.dumps(result(0.15, 0)))
    row = {"name": "tfn", "files": ["r.json"]}
    with pytest.raises(LookupError, match="homo"):
        result_tables.markdown(result_tables.Table("HOMO", "qm9", "homo", "eV", (row,)), tmp_path)


def test_the_list_of_this_repository(result_tables):
    """Everything that is listed is there."""
    for table in result_tables.tables(ROOT / "docs" / "results.yaml"):
        assert table.title in result_tables.markdown(table, ROOT)
