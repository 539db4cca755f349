"""Packed arrays (atoms of all structures one after the other, and a count each) as batches of structures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch

from atomscape.atoms.structures import Structures


def packed_batches(
    counts: np.ndarray,
    numbers: np.ndarray,
    positions: np.ndarray,
    cell: np.ndarray | None = None,
    labels: Mapping[str, np.ndarray] | None = None,
    ids: Sequence[str] = (),
    size: int = 16_384,
) -> Iterator[Structures]:
    """Cut packed arrays into batches of ``size`` structures.

    ``positions`` in Å, one row per atom; ``cell`` [structures, 3, 3] in Å makes the structures periodic in
    all directions, None leaves them free. ``labels`` have one value per structure.
    """
    ends = np.cumsum(counts, dtype=np.int64)
    for a in range(0, len(counts), size):
        b = min(a + size, len(counts))
        atoms = slice(ends[a] - counts[a], ends[b - 1])
        n = b - a
        box = np.zeros((n, 3, 3)) if cell is None else cell[a:b].astype(np.float64)
        yield Structures(
            torch.from_numpy(positions[atoms].astype(np.float64)),
            torch.from_numpy(numbers[atoms].astype(np.int64)),
            torch.from_numpy(box),
            torch.full((n, 3), cell is not None),
            torch.from_numpy(np.repeat(np.arange(n), counts[a:b])),
            {k: torch.from_numpy(v[a:b].astype(np.float64)) for k, v in (labels or {}).items()},
            tuple(ids[a:b]),
        )


def cells_from_parameters(parameters: np.ndarray) -> np.ndarray:
    """Cells [structures, 3, 3] in Å from a, b, c (Å) and α, β, γ (degrees) [structures, 6].

    a lies along x and b in the xy plane, as ``ase.geometry.cellpar_to_cell``; right angles give exact zeros.
    """
    a, b, c, alpha, beta, gamma = parameters.astype(np.float64).T
    cos_alpha, cos_beta, cos_gamma = (_cosine(x) for x in (alpha, beta, gamma))
    sin_gamma = np.sin(np.deg2rad(gamma))
    c_x = cos_beta
    c_y = (cos_alpha - cos_beta * cos_gamma) / sin_gamma
    c_z = np.sqrt(1.0 - c_x**2 - c_y**2)
    zero = np.zeros_like(a)
    rows = [(a, zero, zero), (b * cos_gamma, b * sin_gamma, zero), (c * c_x, c * c_y, c * c_z)]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def _cosine(degrees: np.ndarray) -> np.ndarray:
    return np.where(degrees == 90.0, 0.0, np.cos(np.deg2rad(degrees)))
