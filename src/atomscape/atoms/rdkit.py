"""Molecules as RDKit has them, with bonds perceived from the distances; RDKit is optional.

Bond orders follow from connectivity, valences and the charge (label ``total_charge``; zero where it is not
known): Y. Kim, W. Y. Kim, Bull. Korean Chem. Soc. 36, 1769 (2015), which RDKit implements.
"""

from __future__ import annotations

from ase.data import chemical_symbols

from atomscape.atoms.representation import name_of
from atomscape.atoms.structures import Structures


def to_rdkit(structures: Structures) -> list:
    """RDKit molecules with explicit hydrogens, bonds, one conformer and stereochemistry; None where none fit.

    No set of bond orders need fit the charge: radicals, metals, structures with broken bonds.

    Raises
    ------
    ValueError
        A structure is periodic.
    ImportError
        RDKit is not installed.
    """
    try:
        from rdkit import rdBase
    except ImportError as error:
        raise ImportError("bonds are perceived by RDKit: pip install 'atomscape[molecules]'") from error
    periodic = structures.pbc.any(1).nonzero().squeeze(1)
    if len(periodic):
        which = name_of(structures, int(periodic[0]))
        raise ValueError(f"RDKit knows molecules; structure {which} is periodic")
    with rdBase.BlockLogs():  # what fails is told by None
        return [_perceived(s) for s in structures]


def _perceived(one: Structures):
    from rdkit import Chem
    from rdkit.Chem import rdDetermineBonds

    lines = [
        f"{chemical_symbols[z]} {x:.6f} {y:.6f} {w:.6f}"
        for z, (x, y, w) in zip(one.numbers.tolist(), one.positions.tolist(), strict=True)
    ]
    drawn = Chem.MolFromXYZBlock("\n".join([str(len(lines)), "", *lines]) + "\n")
    if drawn is None or drawn.GetNumAtoms() == 0:
        return None
    try:
        rdDetermineBonds.DetermineBonds(drawn, charge=_charge(one), embedChiral=True)
        Chem.SanitizeMol(drawn)
    except (ValueError, RuntimeError):
        return None
    return drawn


def _charge(one: Structures) -> int:
    known = one.labels.get("total_charge")
    return 0 if known is None or not bool(known.isfinite().all()) else round(float(known[0]))
