"""Structures of one reduced formula: polymorphs, supercells, conformers and frames of one substance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from ase.data import chemical_symbols

from atomscape.atoms.structures import Structures
from atomscape.data.references import composition_of


def name_groups(batches: Iterable[Structures]) -> Iterator[str]:
    """Reduced formula of each structure."""
    for structures in batches:
        yield from reduced_formulas(structures)


def reduced_formulas(structures: Structures) -> list[str]:
    """Formula divided by its common divisor, elements in the order of atomic numbers, as in ``O3Al2``."""
    table = composition_of(structures).numpy().astype(np.int32)
    table //= np.maximum(np.gcd.reduce(table, axis=1), 1)[:, None]
    rows, which = np.unique(table, axis=0, return_inverse=True)
    names = [formula(row) for row in rows]
    return [names[k] for k in which.reshape(-1).tolist()]


def formula(counts: np.ndarray) -> str:
    """Formula from counts by atomic number."""
    present = np.flatnonzero(counts).tolist()
    return "".join(f"{chemical_symbols[z]}{counts[z] if counts[z] > 1 else ''}" for z in present)
