"""What is left of energies when the share of the composition is taken away."""

from __future__ import annotations

import numpy as np

from atomscape.data.examined import Examined

ROUNDS = 8


def bound_rows(data: Examined, values: np.ndarray) -> np.ndarray:
    """Rows with a value, free atoms left out: their energies are not those of matter."""
    free = (data.counts == 1) & ~data.periodic
    return np.flatnonzero(np.isfinite(values) & ~free)


def misfit(features: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values [rows] minus their least squares fit by features [rows, features]."""
    return values - features @ np.linalg.lstsq(features, values, rcond=None)[0]


def robust_misfit(features: np.ndarray, values: np.ndarray) -> np.ndarray:
    """As ``misfit``, of a fit in which far rows count little (Cauchy weights in the median deviation)."""
    rest = misfit(features, values)
    for _ in range(ROUNDS):
        width = 1.5 * float(np.median(np.abs(rest - np.median(rest)))) + 1e-12
        w = 1 / np.sqrt(1 + (rest / width) ** 2)
        solution = np.linalg.lstsq(features * w[:, None], values * w, rcond=None)[0]
        rest = values - features @ solution
    return rest
