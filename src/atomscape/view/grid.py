"""A function of position on a regular grid, sampled where there is something of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from atomscape.shapes import Float

Density = Callable[[Float[np.ndarray, "points 3"]], Float[np.ndarray, " points"]]
"""A function of position: points (Å) → values."""

COARSE = 0.4
"""Å between the points of a first look."""

FAINT = 1e-3
"""Share of the largest value below which there is nothing to see."""

NEAR = 0.5
"""Å around a peak that are looked at closely."""

CHUNK = 65536
"""Points that are asked for at a time, to bound memory."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Values of a function on a regular grid: ``values[i, j, k]`` at ``origin + (i, j, k) @ steps``.

    Rows of ``steps`` are the vectors from one point to the next, Å; they need not be perpendicular.
    """

    origin: Float[np.ndarray, " 3"]
    steps: Float[np.ndarray, "3 3"]
    values: Float[np.ndarray, "nx ny nz"]

    def points(self, indices: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """Places of (fractional) indices."""
        return self.origin + indices @ self.steps

    @property
    def volume(self) -> float:
        """Volume in Å³ that one point stands for."""
        return abs(float(np.linalg.det(self.steps)))


def sampled(
    density: Density, low: Float[np.ndarray, " 3"], high: Float[np.ndarray, " 3"], spacing: float = 0.15
) -> Grid:
    """Sample a function of position in a box; ``spacing`` (Å) is the largest distance between points.

    Raises
    ------
    ValueError
        The box is empty, or the spacing is not positive.
    """
    low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    if not (high > low).all() or spacing <= 0:
        raise ValueError(
            f"a box from {low.tolist()} to {high.tolist()} Å in steps of {spacing} Å cannot be sampled; "
            "each end has to be above its beginning, and the spacing positive"
        )
    n = np.ceil((high - low) / spacing).astype(int) + 1
    steps = (high - low) / (n - 1)
    points = low + np.indices(n.tolist()).reshape(3, -1).T * steps
    values = [np.asarray(density(points[a : a + CHUNK])) for a in range(0, len(points), CHUNK)]
    return Grid(low, np.diag(steps), np.concatenate(values).astype(np.float64).reshape(n.tolist()))


def sampled_closely(
    density: Density,
    low: Float[np.ndarray, " 3"],
    high: Float[np.ndarray, " 3"],
    peaks: Float[np.ndarray, "peaks 3"] | None = None,
    points: int = 60_000,
) -> Grid:
    """Sample a density coarsely in a box, then finely in the part of it where there is something.

    Parameters
    ----------
    peaks
        Places that are looked at closely in any case: a narrow peak may lie between coarse points.
    points
        Points of the fine grid, about.

    Raises
    ------
    ValueError
        The box is empty.
    """
    first = sampled(density, low, high, COARSE)
    there = np.argwhere(first.values > FAINT * first.values.max()).astype(np.float64)
    places = [first.points(there) + side * COARSE for side in (-1, 1)]
    if peaks is not None:
        places += [peaks + side * NEAR for side in (-1, 1)]
    found = np.concatenate(places)
    ends = np.maximum(found.min(0), low), np.minimum(found.max(0), high)
    return sampled(density, *ends, float((np.prod(ends[1] - ends[0]) / points) ** (1 / 3)))


def level_that_holds(grid: Grid, share: float) -> float:
    """Level above which the density holds a share (0 … 1) of all there is of it on the grid.

    Raises
    ------
    ValueError
        The share is not between 0 and 1, or the density is zero everywhere or negative somewhere.
    """
    if not 0 < share < 1:
        raise ValueError(f"a share of {share} was asked for; it lies between 0 and 1")
    ordered = np.sort(grid.values.reshape(-1))[::-1]
    if ordered[-1] < 0 or ordered[0] <= 0:
        raise ValueError(
            "only a density, which is nowhere negative and not zero, has a level that holds a share"
        )
    held = np.cumsum(ordered)
    return float(ordered[np.searchsorted(held, share * held[-1])])
