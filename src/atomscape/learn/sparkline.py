"""Many numbers as one short line of bars, on a logarithmic scale where all are positive."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import isfinite, log

BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], width: int = 40) -> str:
    """Bars of equal shares of the values, each the mean of its share; the lowest bar is the smallest mean."""
    finite = [v for v in values if isfinite(v)]
    if not finite:
        return ""
    if min(finite) > 0:
        finite = [log(v) for v in finite]
    n = min(width, len(finite))
    cuts = [round(k * len(finite) / n) for k in range(n + 1)]
    means = [sum(finite[a:b]) / (b - a) for a, b in pairwise(cuts)]
    low, spread = min(means), max(means) - min(means)
    return "".join(BARS[round((len(BARS) - 1) * (m - low) / spread) if spread > 0 else 0] for m in means)
