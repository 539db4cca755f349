"""A function of position on a regular grid, sampled where there is something of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from atomscape.shapes import Float

Density = Callable[[Float[np.ndarray, "points 3"]], Float[np.ndarray, " points"]]
"""A function of position: points (Å) → values."""

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
    spacing: float = 0.15,
    coarse: float = 0.4,
    faint: float = 1e-3,
) -> Grid:
    """Sample a density coarsely in a box, then finely in the part of it where there is something.

    Parameters
    ----------
    faint
        Share of the largest coarse value below which there is nothing to see.

    Raises
    ------
    ValueError
        The box is empty, or a spacing is not positive.
    """
    first = sampled(density, low, high, coarse)
    there = np.argwhere(first.values > faint * first.values.max())
    if not len(there):
        return first
    edge = np.array(first.values.shape) - 1
    ends = first.points(
        np.stack([np.maximum(there.min(0) - 1, 0), np.minimum(there.max(0) + 1, edge)]).astype(float)
    )
    return sampled(density, ends[0], ends[1], spacing)


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
