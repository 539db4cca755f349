"""Surfaces of equal density: marching tetrahedra on a regular grid (Doi & Koide 1991, IEICE Trans. E74, 214).

Each cube of the grid is cut into the six tetrahedra around its long diagonal (Kuhn's triangulation), which
meet those of the neighbouring cubes face to face. Where some corners of a tetrahedron are above the level and
some below, the surface cuts it in one triangle or two. No case is ambiguous, so the surface is a closed
manifold wherever it does not leave the grid; its triangles are counter-clockwise seen from below the level.
"""

from __future__ import annotations

from functools import cache
from itertools import permutations

import numpy as np

from atomscape.shapes import Int, Shaped
from atomscape.view.grid import Grid
from atomscape.view.scene import Mesh


def isosurface(
    grid: Grid, level: float, colour: Shaped[np.ndarray, " 3"], opacity: float = 1.0, name: str = ""
) -> Mesh:
    """The surface on which the function has a value, as a mesh whose normals point to smaller values.

    Where no point of the grid lies above the level, or all do, the mesh is empty.
    """
    ends = _cuts(grid.values > level)
    n = grid.values.size
    edges, corner = np.unique(ends.min(-1) * n + ends.max(-1), return_inverse=True)
    a, b = edges // n, edges % n
    flat = grid.values.reshape(-1)
    share = ((level - flat[a]) / (flat[b] - flat[a]))[:, None]

    def between(values: np.ndarray) -> np.ndarray:
        return values[a] + share * (values[b] - values[a])

    places = grid.points(between(np.indices(grid.values.shape).reshape(3, -1).T.astype(np.float64)))
    slopes = np.stack([g.reshape(-1) for g in np.gradient(grid.values)], 1)
    normals = -between(slopes) @ np.linalg.inv(grid.steps).T
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-300)
    turned = 1 if np.linalg.det(grid.steps) > 0 else -1
    triangles = corner.reshape(-1, 3)[:, ::turned].astype(np.int64)
    return Mesh(places, triangles, normals, np.tile(colour, (len(places), 1)), opacity, name)


def _cuts(above: Shaped[np.ndarray, "nx ny nz"]) -> Int[np.ndarray, "triangles 3 2"]:
    """Triangles as three edges of the grid each, an edge as the numbers of its two points."""
    number = np.arange(above.size).reshape(above.shape)
    corners = [tuple(slice(c, c - 1 or None) for c in corner) for corner in np.ndindex(2, 2, 2)]
    high = np.stack([above[c] for c in corners])
    crossed = high.any(0) & ~high.all(0)
    cubes = np.stack([number[c][crossed] for c in corners], 1)
    inside = np.stack([above[c][crossed] for c in corners], 1)
    found = [np.zeros((0, 3, 2), dtype=np.int64)]
    for order in permutations(range(3)):
        # From corner (0, 0, 0) to (1, 1, 1), one axis after the other; corners are numbered 4x + 2y + z.
        path = np.cumsum([0, *(4 >> axis for axis in order)])
        kind = inside[:, path] @ np.array([1, 2, 4, 8])
        for case, triangles in _cases(_odd(order)).items():
            tetrahedra = cubes[kind == case][:, path]
            found += [tetrahedra[:, np.array(t)] for t in triangles]
    return np.concatenate(found)


@cache
def _cases(mirrored: bool) -> dict[int, tuple[tuple[tuple[int, int], ...], ...]]:
    """Which corners of a tetrahedron lie above (as bits) → the triangles, each three edges of it."""
    cases = {}
    for case in range(1, 15):
        high = [k for k in range(4) if case >> k & 1]
        low = [k for k in range(4) if not case >> k & 1]
        if len(high) == 1:
            made = [[(high[0], k) for k in low]]
        elif len(high) == 3:
            made = [[(k, low[0]) for k in high]]
        else:
            (i, j), (k, l) = high, low
            made = [[(i, k), (i, l), (j, l)], [(i, k), (j, l), (j, k)]]
        if _odd((*high, *low)) != mirrored:
            made = [t[::-1] for t in made]
        cases[case] = tuple(tuple(t) for t in made)
    return cases


def _odd(order: tuple[int, ...]) -> bool:
    """Whether a permutation is odd."""
    return sum(a > b for n, a in enumerate(order) for b in order[n + 1 :]) % 2 == 1
