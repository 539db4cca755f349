"""Shapes and structure types are learned from one example each, as the recipes say, in seconds."""

from __future__ import annotations

import json

import pytest

from atomscape.learn.experiment import run_experiment


@pytest.mark.parametrize("name", ["tetris", "tetris_periodic"])
def test_the_target_is_met(name, tmp_path):
    """All moved shapes, all changed crystals; with natural parity mirror images are the same."""
    outcome = run_experiment(name, {"seed": 0}, tmp_path / "out")
    assert outcome.met, outcome.figure
    record = json.loads((tmp_path / "out" / "results.json").read_text())
    assert record["met"] is True
    assert all(v["met"] for v in record["values"])


def test_without_training_it_is_missed(tmp_path):
    """One step is not enough: the target is one that can be missed."""
    outcome = run_experiment("tetris_periodic", {"epochs": 1, "channels": 4}, tmp_path / "out")
    assert not outcome.met
