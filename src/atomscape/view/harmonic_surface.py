"""A function on the sphere as a surface around a point: r(û) = s |Σ_lm c_lm Y_lm(û)|, coloured by sign.

This is how an orbital is drawn, and how a feature of degree l of one atom, or a filter R(r) Y_lm, can be
seen: the surface turns with its coefficients. Harmonics, their order and their polar axis are those of
:mod:`atomscape.o3.harmonics`.
"""

from __future__ import annotations

from functools import cache
from math import isqrt

import numpy as np
import torch

from atomscape.o3.harmonics import spherical_harmonics
from atomscape.shapes import Float, Int, Shaped
from atomscape.view.elements import colour
from atomscape.view.scene import Mesh

POSITIVE, NEGATIVE = colour("e8743b"), colour("3d7fd6")
"""Colours of the two signs; they differ for every kind of colour vision, in lightness too."""


@cache
def sphere(frequency: int = 24) -> tuple[Float[np.ndarray, "vertices 3"], Int[np.ndarray, "triangles 3"]]:
    """An icosahedron whose edges are cut into ``frequency`` parts, blown up to the unit sphere.

    Vertices and triangles, counter-clockwise seen from outside: 10 f² + 2 and 20 f² of them.

    Raises
    ------
    ValueError
        The frequency is less than 1.
    """
    if frequency < 1:
        raise ValueError(f"edges cannot be cut into {frequency} parts; 1 or more")
    corners, faces = _icosahedron()
    f = frequency
    a, b = np.array([(i, j) for i in range(f + 1) for j in range(f + 1 - i)]).T
    number = {(i, j): k for k, (i, j) in enumerate(zip(a.tolist(), b.tolist(), strict=True))}
    up = [[number[i, j], number[i + 1, j], number[i, j + 1]] for i, j in number if i + j < f]
    down = [[number[i + 1, j], number[i + 1, j + 1], number[i, j + 1]] for i, j in number if i + j < f - 1]
    weights = np.stack([f - a - b, a, b], 1) / f
    points = (weights @ corners[faces]).reshape(-1, 3)
    _, first, same = np.unique(
        np.rint(points * 1e6).astype(np.int64), axis=0, return_index=True, return_inverse=True
    )
    triangles = np.array(up + down)[None] + len(a) * np.arange(len(faces))[:, None, None]
    vertices = points[first] / np.linalg.norm(points[first], axis=1, keepdims=True)
    return vertices, same.reshape(-1)[triangles].reshape(-1, 3)


def _icosahedron() -> tuple[np.ndarray, np.ndarray]:
    """Twelve corners (cyclic permutations of (0, ±1, ±φ)) and the twenty faces between nearest neighbours."""
    golden = (1 + 5**0.5) / 2
    corner = np.array([(0, s, t * golden) for s in (1, -1) for t in (1, -1)])
    corners = np.concatenate([np.roll(corner, k, axis=1) for k in range(3)])
    near = np.linalg.norm(corners[:, None] - corners, axis=2) < 2.1
    faces = [
        (i, j, k) if np.linalg.det(corners[[i, j, k]]) > 0 else (i, k, j)
        for i in range(12)
        for j in range(i)
        for k in range(j)
        if near[i, j] and near[j, k] and near[i, k]
    ]
    return corners, np.array(faces)


def harmonic_surface(
    coefficients: Float[np.ndarray, " lm"],
    centre: Float[np.ndarray, " 3"],
    scale: float = 1.0,
    floor: float = 0.0,
    degree: int | None = None,
    colours: tuple[Shaped[np.ndarray, " 3"], Shaped[np.ndarray, " 3"]] = (POSITIVE, NEGATIVE),
    opacity: float = 1.0,
    directions: tuple[Float[np.ndarray, "v 3"], Int[np.ndarray, "t 3"]] | None = None,
    name: str = "",
) -> Mesh:
    """The surface ``floor + scale |Σ c_lm Y_lm(û)|`` around ``centre``, in Å.

    Parameters
    ----------
    coefficients
        Of degrees 0 … l_max in the order l² + l + m; or, with ``degree``, the 2l+1 of that degree alone.
    floor
        Å that the surface keeps from its centre everywhere; 0 makes it pinch at the nodes.
    colours
        Of positive and of negative values.
    directions
        Unit vectors and triangles to draw on. Default: ``sphere()``.

    Raises
    ------
    ValueError
        The number of coefficients fits no degree.
    """
    block = _block(len(coefficients), degree)
    unit, triangles = sphere() if directions is None else directions
    Y = spherical_harmonics(torch.from_numpy(np.ascontiguousarray(unit)), block[1]).numpy()[:, block[0] :]
    value = Y @ coefficients
    vertices = unit * (floor + scale * np.abs(value))[:, None]
    shades = np.where((value >= 0)[:, None], *colours).astype(np.uint8)
    return Mesh(vertices + centre, triangles, _normals(vertices, triangles, unit), shades, opacity, name)


def _block(n: int, degree: int | None) -> tuple[int, int]:
    """First row of the harmonics, and the highest degree, for ``n`` coefficients."""
    l_max = isqrt(n) - 1 if degree is None else degree
    rows = (l_max + 1) ** 2 if degree is None else 2 * l_max + 1
    if n != rows or n == 0 or l_max < 0:
        what = (
            "all degrees up to l_max take (l_max + 1)²" if degree is None else f"degree {degree} takes 2l + 1"
        )
        raise ValueError(f"{n} coefficients of harmonics; {what} of them")
    return (0 if degree is None else l_max**2), l_max


def _normals(vertices: np.ndarray, triangles: np.ndarray, fallback: np.ndarray) -> np.ndarray:
    """Normals at vertices: of the triangles around each, weighted by area; ``fallback`` where all vanish."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    face = np.cross(b - a, c - a)
    total = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(total, triangles[:, k], face)
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.where(length > 1e-12, total / np.maximum(length, 1e-12), fallback)
