"""Geometry of cells of any periodicity, as float64 arrays: completion, heights."""

from __future__ import annotations

import numpy as np


def completed(cell: np.ndarray, pbc: np.ndarray) -> np.ndarray:
    """Cells [structures, 3, 3] with the rows of non-periodic directions replaced by unit vectors.

    The unit vectors are orthogonal to one another and to the periodic rows, so the cell can be inverted
    whenever its periodic rows are independent, and distances across periodic faces keep their meaning.
    """
    rows = np.where(pbc[..., None], cell, 0.0)
    mixed = ~pbc.all(1)
    if mixed.any():
        _, _, orthonormal = np.linalg.svd(rows[mixed])
        free = ~pbc[mixed]
        spare = (~free).sum(1, keepdims=True) + np.cumsum(free, axis=1) - 1
        filling = np.take_along_axis(orthonormal, spare.clip(0)[..., None], axis=1)
        rows[mixed] = np.where(free[..., None], filling, rows[mixed])
    return rows


def heights(cell: np.ndarray, pbc: np.ndarray) -> np.ndarray:
    """Distance of opposite cell faces [structures, 3] in Å; zero where rows are not independent.

    Non-periodic directions have height 1, as ``completed`` gives them unit vectors.
    """
    rows = completed(cell, pbc)
    faces = np.cross(rows[:, [1, 2, 0]], rows[:, [2, 0, 1]])
    area = np.linalg.norm(faces, axis=-1)
    volume = np.abs(np.einsum("sk,sk->s", rows[:, 0], faces[:, 0]))
    return volume[:, None] / np.where(area > 0, area, np.inf)
