"""How far a projection can be trusted: which neighbours it invents, and which it loses.

With k neighbours, ranks r(i, j) of j among the points by distance from i in feature space and r'(i, j) on the
map, U the neighbours on the map that are none in feature space and V those lost (Venna & Kaski 2001):

    trustworthiness = 1 − 2 / (n k (2n − 3k − 1)) Σ_i Σ_{j ∈ U_i} (r(i, j) − k)
    continuity      = 1 − 2 / (n k (2n − 3k − 1)) Σ_i Σ_{j ∈ V_i} (r'(i, j) − k)

Both are 1 when neighbourhoods agree; random points give about one half. ``recall`` is the share of the k
neighbours that are kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atomscape.shapes import Float, Int

NEIGHBOURS = 15
SUBSET = 5000
_BLOCK = 512


@dataclass(frozen=True)
class Quality:
    """Figures of one projection, measured on ``n`` points drawn at random from ``of``."""

    trustworthiness: float
    continuity: float
    recall: float
    k: int
    n: int
    of: int

    def __str__(self) -> str:
        """Return one line, with what it was measured on."""
        where = f"all {self.n}" if self.n == self.of else f"{self.n} random of {self.of}"
        return (
            f"trustworthiness {self.trustworthiness:.3f}, continuity {self.continuity:.3f}, "
            f"recall {self.recall:.2f} (k = {self.k}, {where} structures)"
        )


def quality(
    features: Float[np.ndarray, "points features"],
    coordinates: Float[np.ndarray, "mapped dimensions"],
    k: int = NEIGHBOURS,
    subset: int = SUBSET,
    seed: int = 0,
) -> Quality:
    """Compare neighbourhoods in feature space and on the map.

    Parameters
    ----------
    features
        In the space whose distances the projection is to keep (standardised, if it standardises).
    k
        Neighbours; at most (2n − 2) / 3 make sense.
    subset
        Above this number of points a random subset is measured: cost grows with its square.

    Raises
    ------
    ValueError
        Different numbers of points, or too few for k.
    """
    of = len(features)
    if len(coordinates) != of:
        raise ValueError(f"{of} points in feature space, but {len(coordinates)} on the map")
    chosen = np.arange(of)
    if of > subset:
        chosen = np.sort(np.random.default_rng(seed).choice(of, subset, replace=False))
    n = len(chosen)
    if k < 1 or 2 * n - 3 * k - 1 <= 0:
        raise ValueError(f"k = {k} neighbours need at least {(3 * k + 1) // 2 + 1} points; there are {n}")
    x = np.asarray(features[chosen], dtype=np.float64)
    y = np.asarray(coordinates[chosen], dtype=np.float64)
    invented = lost = kept = 0
    for start in range(0, n, _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, n))
        ranks_x, near_x = _ranks(x, rows, k)
        ranks_y, near_y = _ranks(y, rows, k)
        on_map, in_space = (
            np.take_along_axis(r, near, 1) for r, near in ((ranks_x, near_y), (ranks_y, near_x))
        )
        invented += int(np.maximum(on_map - k, 0).sum())
        lost += int(np.maximum(in_space - k, 0).sum())
        kept += int((on_map <= k).sum())
    norm = 2 / (n * k * (2 * n - 3 * k - 1))
    return Quality(1 - norm * invented, 1 - norm * lost, kept / (n * k), k, n, of)


def _ranks(
    x: Float[np.ndarray, "points features"], rows: Int[np.ndarray, " rows"], k: int
) -> tuple[Int[np.ndarray, "rows points"], Int[np.ndarray, "rows k"]]:
    """Rank of every point by distance from each row (nearest other point: 1), and the k nearest."""
    order = np.argsort(squared_distances(x, rows), axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(1, len(x) + 1)[None], axis=1)
    return ranks, order[:, :k]


def squared_distances(
    x: Float[np.ndarray, "points features"], rows: Int[np.ndarray, " rows"]
) -> Float[np.ndarray, "rows points"]:
    """Squared distances from some points to all; a point is infinitely far from itself."""
    square = (x * x).sum(1)
    d = np.maximum(square[rows, None] + square[None] - 2 * x[rows] @ x.T, 0)
    d[np.arange(len(rows)), rows] = np.inf
    return d
