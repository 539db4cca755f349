"""Trajectories as arrays (the same atoms in every frame) as batches of structures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch

from atomscape.atoms.properties import PROPERTIES
from atomscape.atoms.structures import Structures

BATCH = 4096


def trajectory(
    numbers: np.ndarray,
    positions: np.ndarray,
    labels: Mapping[str, np.ndarray],
    group: str,
    factor: float = 1.0,
    size: int = BATCH,
) -> Iterator[Structures]:
    """Frames of a molecule in free space; their ids are ``group/0``, ``group/1`` …

    Parameters
    ----------
    numbers
        Atomic numbers [atoms].
    positions
        [frames, atoms, 3] in Å.
    labels
        Property → one value per frame, or [frames, atoms, …] for properties of atoms.
    factor
        Turns the labels' unit of energy into eV.

    Raises
    ------
    ValueError
        An array has another number of frames or atoms than the positions.
    """
    frames, atoms = positions.shape[:2]
    for name, values in labels.items():
        prop = PROPERTIES[name]
        expected = (frames, atoms, *prop.shape) if prop.per == "atom" else (frames, *prop.shape)
        if values.shape not in (expected, (*expected, 1)):
            raise ValueError(f"{group}: {name} has shape {values.shape}; {expected} would fit the positions")
    if numbers.shape != (atoms,):
        raise ValueError(f"{group}: {numbers.shape} atomic numbers for {atoms} atoms in each frame")
    for a in range(0, frames, size):
        b = min(a + size, frames)
        n = b - a
        yield Structures(
            torch.from_numpy(positions[a:b].reshape(-1, 3).astype(np.float64)),
            torch.from_numpy(np.tile(numbers, n).astype(np.int64)),
            torch.zeros(n, 3, 3, dtype=torch.float64),
            torch.zeros(n, 3, dtype=torch.bool),
            torch.arange(n).repeat_interleave(atoms),
            {name: _flat(name, values[a:b], n * atoms) * factor for name, values in labels.items()},
            tuple(f"{group}/{k}" for k in range(a, b)),
        )


def _flat(name: str, values: np.ndarray, atoms: int) -> torch.Tensor:
    prop = PROPERTIES[name]
    rows = atoms if prop.per == "atom" else len(values)
    return torch.from_numpy(values.reshape(rows, *prop.shape).astype(np.float64))
