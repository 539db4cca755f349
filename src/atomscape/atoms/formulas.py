"""Compositions: atoms of each element, and reduced formulas, which a crystal shares with its supercells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from ase.data import chemical_symbols

from atomscape.atoms.structures import Structures
from atomscape.shapes import Float, Tensor

N_ELEMENTS = 119
"""Length of a table indexed by atomic number; entry 0 is not used."""


def composition_of(
    structures: Structures, elements: Sequence[int] = tuple(range(N_ELEMENTS))
) -> Float[Tensor, "structures elements"]:
    """Atoms of each of the elements in each structure (float64); by default column Z is atomic number Z."""
    flat = structures.structure * N_ELEMENTS + structures.numbers
    counts = torch.bincount(flat, minlength=len(structures) * N_ELEMENTS)
    return counts.reshape(-1, N_ELEMENTS)[:, list(elements)].to(torch.float64)


def reduced_formulas(structures: Structures) -> list[str]:
    """Formula divided by its common divisor, elements in the order of atomic numbers, as in ``O3Al2``."""
    table = composition_of(structures).cpu().numpy().astype(np.int32)
    table //= np.maximum(np.gcd.reduce(table, axis=1), 1)[:, None]
    rows, which = np.unique(table, axis=0, return_inverse=True)
    names = [formula(row) for row in rows]
    return [names[k] for k in which.reshape(-1).tolist()]


def formula(counts: np.ndarray) -> str:
    """Formula from counts by atomic number."""
    present = np.flatnonzero(counts).tolist()
    return "".join(f"{chemical_symbols[z]}{counts[z] if counts[z] > 1 else ''}" for z in present)
