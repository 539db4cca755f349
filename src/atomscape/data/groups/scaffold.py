"""Molecules of one scaffold: rings and the chains that link them.

G. W. Bemis, M. A. Murcko, J. Med. Chem. 39, 2887 (1996). Bonds are perceived from the distances and all count
as single, so that benzene and cyclohexane share a scaffold: groups are rather too large than too small, and
no bond order has to be guessed. Molecules without rings are one group, ``""``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from ase.data import covalent_radii

from atomscape.atoms.structures import Structures

REACH = 1.2
"""A bond is at most this many times as long as the sum of the covalent radii."""


def name_groups(batches: Iterable[Structures]) -> Iterator[str]:
    """SMILES of each molecule's scaffold.

    Raises
    ------
    ValueError
        A structure is periodic.
    ImportError
        RDKit is not installed.
    """
    for structures in batches:
        _check(structures)
        yield from map(_scaffold, structures)


def _check(structures: Structures) -> None:
    if bool(structures.pbc.any()):
        first = int(structures.pbc.any(1).nonzero()[0])
        name = structures.ids[first] if structures.ids else first
        raise ValueError(f"scaffolds are of molecules; structure {name!r} is periodic. Group by composition")


def _scaffold(molecule: Structures) -> str:
    try:
        from rdkit import Chem
    except ImportError as error:
        raise ImportError(
            "scaffolds need RDKit: pip install 'atomscape[molecules]'; or group by composition"
        ) from error
    heavy = molecule.numbers > 1
    numbers = molecule.numbers[heavy].numpy()
    bonded = _bonds(numbers, molecule.positions[heavy].double().numpy())
    left = np.flatnonzero(_without_ends(bonded))
    drawn = Chem.RWMol()
    for z in numbers[left].tolist():
        atom = Chem.Atom(z)
        atom.SetNoImplicit(True)  # hydrogens and chains were left away: valences stay open
        drawn.AddAtom(atom)
    for i, j in np.argwhere(np.triu(bonded[np.ix_(left, left)])).tolist():
        drawn.AddBond(i, j, Chem.BondType.SINGLE)
    drawn.UpdatePropertyCache(strict=False)
    Chem.FastFindRings(drawn)
    return Chem.MolToSmiles(drawn)


def _bonds(numbers: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Which atoms are bonded [atoms, atoms]: closer than ``REACH`` times the sum of their covalent radii."""
    radii = covalent_radii[numbers]
    apart = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    return (apart < REACH * (radii[:, None] + radii)) & ~np.eye(len(numbers), dtype=bool)


def _without_ends(bonded: np.ndarray) -> np.ndarray:
    """Which atoms are left when those with fewer than two bonds are taken away, again and again."""
    left = np.ones(len(bonded), dtype=bool)
    while (ends := left & (bonded[:, left].sum(1) < 2)).any():
        left &= ~ends
    return left
