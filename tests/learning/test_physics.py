"""Laws of physics are learned within 1 %, as the recipes say, in seconds each."""

from __future__ import annotations

import json

import pytest

from atomscape.learn.experiment import run_experiment

RECIPES = ["gravity", "inertia", "dipole_field", "elasticity", "cross_product"]
SOON = {"gravity": {"epochs": 24}, "inertia": {"epochs": 24}}
"""Recipes that reach their target in less than half of their own epochs."""


@pytest.mark.parametrize("name", RECIPES)
def test_the_target_is_met(name, tmp_path):
    """With the recipe's own settings, or sooner; the picture is there, and the test part agrees too."""
    out = tmp_path / "out"
    outcome = run_experiment(name, {"seed": 1, **SOON.get(name, {})}, out)
    assert outcome.met, outcome.figure
    record = json.loads((out / "results.json").read_text())
    assert sum(v["target"] is not None for v in record["values"]) >= 1
    assert next(v.value for v in outcome.values if v.name.startswith("test error")) < 1
    picture = "moduli" if name == "elasticity" else "radial"
    assert {f"{picture}.png", f"{picture}.svg"} <= {f.name for f in out.iterdir()}


@pytest.mark.parametrize("name", RECIPES)
def test_without_training_it_is_missed(name, tmp_path):
    """The target is one that can be missed."""
    outcome = run_experiment(name, {"train": 20, "test": 5, "epochs": 1}, tmp_path / "out")
    assert not outcome.met
