"""Tables of vacancies say what the result files say, and refuse what is missing."""

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
    import vacancy_tables

    yield vacancy_tables
    sys.modules.pop("vacancy_tables")


def scores(right: float) -> dict:
    """Scores of one guess, as the experiment writes them."""
    keys = ("accuracy", "element_accuracy", "within_0.5", "top_3_accuracy", "balanced_accuracy")
    one = {key: {"value": right, "count": 1250} for key in (*keys, "accuracy_up_to_symmetry")}
    one |= {"distance_mae": {"value": 0.31, "count": 1250}, "nll": {"value": -2.25, "count": 1250}}
    return one | {"calibration": {"expected_error": 0.012}}


def without(guesses: dict) -> dict:
    """Guesses where every site has a copy."""
    return {name: one | {"without_copy": None} for name, one in guesses.items()}


@pytest.fixture
def root(tmp_path):
    guesses = {"network": scores(0.5), "a void": scores(0.125)}
    for one in guesses.values():
        one["sites"] = {"A": scores(0.25), "X": scores(0.75)}
        one["without_copy"] = scores(0.0625)
    asked = {"ceiling": 0.9, "copied": 0.6, "guesses": guesses}
    content = {
        "counts": {"perov_5": {"train": 11356}},
        "epochs": 8,
        "n_parameters": 234034,
        "cpu_seconds": 456.0,
        "threads": 1,
        "vacancies": {"site": asked, "vacancy": asked | {"guesses": without(guesses)}},
    }
    folder = tmp_path / "experiments" / "done"
    folder.mkdir(parents=True)
    (folder / "results.json").write_text(json.dumps(content))
    return tmp_path


def test_guesses_stand_beside_the_network_on_both_questions(tables, root):
    text = tables.accuracy(root, "done")
    assert text.count("| **network** | 50.0 |") == 2
    assert "| one atom of a supercell | a void | 12.5 |" in text
    assert text.count("| 0.31 | 6.2 |") == 2
    assert text.count("| 0.31 | – |") == 2


def test_sites_have_columns_of_their_own(tables, root):
    text = tables.sites(root, "done")
    assert "X, within 0.5 Å, %" in text
    assert "| **network** | 25.0 | 25.0 | 25.0 | 75.0 | 75.0 | 75.0 |" in text


def test_density_and_run(tables, root):
    assert "| 1,250 | -2.25 | 1.2 | 90.0 | 60.0 |" in tables.density(root, "done")
    assert "11,356 crystals, 8 epochs, 234,034 parameters, 8 minutes" in tables.run(root, "done")


def test_tables_are_as_wide_as_their_heads(tables, root):
    for make in (tables.accuracy, tables.sites, tables.density):
        widths = {line.count("|") for line in make(root, "done").strip().splitlines()}
        assert len(widths) == 1


def test_what_was_not_scored_is_refused(tables, root):
    with pytest.raises(LookupError, match=r"python scripts/vacancies\.py other"):
        tables.accuracy(root, "other")
