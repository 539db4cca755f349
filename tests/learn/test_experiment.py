"""Outcomes of experiments: what is on which side of its target."""

from __future__ import annotations

from math import nan

import pytest

from atomscape.learn.experiment import Outcome, Value


@pytest.mark.parametrize(
    ("value", "target", "sense", "met"),
    [
        (1.0, 1.0, "at least", True),
        (0.9, 1.0, "at least", False),
        (1.0, 1.0, "at most", True),
        (1.1, 1.0, "at most", False),
        (5.0, None, "at least", True),
        (nan, 1.0, "at least", False),
        (nan, 1.0, "at most", False),
    ],
)
def test_a_number_and_its_target(value, target, sense, met):
    assert Value("x", value, "1", target, sense).met is met


def test_all_targets_have_to_be_met():
    good, bad, plain = Value("a", 2, "Å", 1), Value("b", 2, "Å", 1, "at most"), Value("c", 7)
    assert Outcome("", (good, plain)).met
    assert not Outcome("", (good, bad, plain)).met
    assert [str(v) for v in (good, bad, plain)] == ["2 Å (target ≥ 1 Å)", "2 Å (target ≤ 1 Å)", "7"]
