"""Reliability: what was said beside what was right, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from atomscape.generate.calibration import reliability


def test_by_hand():
    """Two bins: 0.95 said and all right, 0.3 said and half right."""
    said = np.array([0.95, 0.95, 0.3, 0.3])
    right = np.array([True, True, True, False])
    found = reliability(said, right)
    assert [(row["count"], row["accuracy"]) for row in found["bins"]] == [(2, 0.5), (2, 1.0)]
    assert [row["confidence"] for row in found["bins"]] == pytest.approx([0.3, 0.95])
    assert found["expected_error"] == pytest.approx(0.5 * 0.2 + 0.5 * 0.05)
    assert found["count"] == 4


def test_calibrated_by_construction(rng):
    """Right as often as said: the error is the noise of counting."""
    said = rng.random(20_000)
    right = rng.random(20_000) < said
    assert reliability(said, right)["expected_error"] < 0.02
    assert reliability(said, rng.random(20_000) < said**3)["expected_error"] > 0.1


def test_ends_and_nonsense():
    """Certainty falls in the last bin; nothing gives nothing; more than certain is refused."""
    assert reliability(np.array([1.0, 0.0]), np.array([True, False]))["expected_error"] == 0
    assert reliability(np.zeros(0), np.zeros(0, dtype=bool)) == {
        "expected_error": 0.0,
        "count": 0,
        "bins": [],
    }
    with pytest.raises(ValueError, match=r"from 0\.5 to 1\.2"):
        reliability(np.array([0.5, 1.2]), np.array([True, True]))
