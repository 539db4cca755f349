"""Calibration: whether a model that says 80 % is right in 80 of 100 cases."""

from __future__ import annotations

from typing import Any

import numpy as np

BINS = 10


def reliability(probability: np.ndarray, right: np.ndarray, bins: int = BINS) -> dict[str, Any]:
    """Reliability table, and the expected calibration error (Guo et al. 2017, arXiv:1706.04599, eq. 3).

    ``probability`` in [0, 1] and ``right`` (true or false) have one entry per case. Each bin of equal width
    holds the number of its cases, what was said on average (``confidence``) and the share that was right
    (``accuracy``); empty bins are left out. The error is the mean over cases of |accuracy − confidence| of
    their bins.

    Raises
    ------
    ValueError
        A probability is not in [0, 1].
    """
    if len(probability) and not (probability.min() >= 0 and probability.max() <= 1):
        raise ValueError(
            f"probabilities from {probability.min():.3g} to {probability.max():.3g}; they should be in [0, 1]"
        )
    place = np.minimum((probability * bins).astype(int), bins - 1)
    table = []
    for b in np.unique(place).tolist():
        mine = place == b
        table.append(
            {
                "from": b / bins,
                "to": (b + 1) / bins,
                "count": int(mine.sum()),
                "confidence": float(probability[mine].mean()),
                "accuracy": float(right[mine].mean()),
            }
        )
    off = sum(row["count"] * abs(row["accuracy"] - row["confidence"]) for row in table)
    return {"expected_error": off / max(1, len(probability)), "count": len(probability), "bins": table}
