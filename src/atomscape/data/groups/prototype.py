"""Crystals of one prototype: equal space group, stoichiometry and number of atoms in the primitive cell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from atomscape.atoms.crystal_symmetry import as_spglib, ask_spglib
from atomscape.atoms.structures import Structures

TOLERANCE = 0.01
"""Å within which positions count as equivalent."""


def name_groups(batches: Iterable[Structures]) -> Iterator[str]:
    """Prototype of each crystal, for instance ``AB3-221-4``: anonymous formula, space group, atoms.

    Raises
    ------
    ValueError
        A structure is not periodic in three directions.
    ImportError
        spglib is not installed.
    """
    for structures in batches:
        _check(structures)
        yield from map(_prototype, structures)


def _check(structures: Structures) -> None:
    full = structures.pbc.all(1)
    if not bool(full.all()):
        first = int((~full).nonzero()[0])
        name = structures.ids[first] if structures.ids else first
        raise ValueError(
            f"prototypes are of crystals; structure {name!r} is not periodic in three directions"
        )


def _prototype(crystal: Structures) -> str:
    given = as_spglib(crystal)
    found = ask_spglib("get_symmetry_dataset", given, symprec=TOLERANCE)
    primitive = ask_spglib("find_primitive", given, symprec=TOLERANCE)
    group = found.number if found is not None else 1
    atoms = len(primitive[2]) if primitive is not None else crystal.n_atoms
    return f"{anonymous(crystal.numbers.numpy())}-{group}-{atoms}"


def anonymous(numbers: np.ndarray) -> str:
    """Formula with letters for elements, the rarest first: ``AB3``."""
    counts = np.sort(np.unique(numbers, return_counts=True)[1])
    counts //= np.gcd.reduce(counts)
    return "".join(f"{_letter(k)}{n if n > 1 else ''}" for k, n in enumerate(counts.tolist()))


def _letter(k: int) -> str:
    return chr(ord("A") + k % 26) + (str(k // 26) if k >= 26 else "")
