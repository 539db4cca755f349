"""Molecules of one scaffold: rings and the chains that link them.

G. W. Bemis, M. A. Murcko, J. Med. Chem. 39, 2887 (1996). Bonds are perceived from the distances and all count
as single, so that benzene and cyclohexane share a scaffold: groups are rather too large than too small, and
no bond order has to be guessed. Molecules without rings are one group, ``""``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ase.data import chemical_symbols

from atomscape.atoms.structures import Structures


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
        from rdkit.Chem import rdDetermineBonds
        from rdkit.Chem.Scaffolds import MurckoScaffold
    except ImportError as error:
        raise ImportError(
            "scaffolds need RDKit: pip install 'atomscape[molecules]'; or group by composition"
        ) from error
    heavy = (molecule.numbers > 1).nonzero().squeeze(1).tolist()
    lines = [
        f"{chemical_symbols[int(molecule.numbers[a])]} {x:.6f} {y:.6f} {z:.6f}"
        for a in heavy
        for x, y, z in [molecule.positions[a].tolist()]
    ]
    drawn = Chem.MolFromXYZBlock("\n".join([str(len(heavy)), "", *lines]) + "\n")
    rdDetermineBonds.DetermineConnectivity(drawn)
    for atom in drawn.GetAtoms():
        atom.SetNoImplicit(True)  # hydrogens were left away: valences stay open
        atom.SetFormalCharge(0)
    Chem.FastFindRings(drawn)
    return Chem.MolToSmiles(MurckoScaffold.GetScaffoldForMol(drawn))
