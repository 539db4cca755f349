"""Checks on structures: what is wrong is said with the structure, the values found and what would work."""

from __future__ import annotations

import numpy as np

from atomscape.atoms.cells import heights
from atomscape.atoms.structures import Structures

MAX_NUMBER = 118
"""Largest atomic number of a known element (oganesson)."""

MIN_HEIGHT = 1e-3
"""Smallest distance in Å between opposite faces of a periodic cell; anything flatter counts as singular."""


def check(structures: Structures, where: str = "") -> None:
    """Raise a ``ValueError`` that says what is wrong with a batch; return nothing if it is sound.

    Parameters
    ----------
    structures
        The batch to look at.
    where
        Where it comes from, for the message: ``"data.xyz"``.

    Raises
    ------
    ValueError
        No structures, a structure without atoms, atoms not sorted by structure, unknown elements, positions
        or cells that are not finite, or a periodic cell whose rows are not independent.
    """
    prefix = f"{where}: " if where else ""
    if len(structures) == 0:
        raise ValueError(f"{prefix}there are no structures; at least one is needed.")
    owner = structures.structure
    if len(owner) and (int(owner.min()) < 0 or int(owner.max()) >= len(structures)):
        raise ValueError(
            f"{prefix}atoms name structures outside 0…{len(structures) - 1}, for instance {owner[-1]}."
        )
    if bool((owner[1:] < owner[:-1]).any()):
        raise ValueError(f"{prefix}atoms are not sorted by structure; those of one must stand together.")
    counts = structures.counts.cpu().numpy()
    if (counts == 0).any():
        raise ValueError(f"{prefix}structure {_first(counts == 0)} has no atoms.")
    numbers = structures.numbers.cpu().numpy()
    unknown = (numbers < 1) | (numbers > MAX_NUMBER)
    if unknown.any():
        atom = _first(unknown)
        raise ValueError(
            f"{prefix}atom {atom} (structure {int(structures.structure[atom])}) has atomic number "
            f"{numbers[atom]}; known elements have 1 to {MAX_NUMBER}."
        )
    x, cell = structures.positions.detach().cpu().numpy(), structures.cell.detach().cpu().numpy()
    check_cells(x, cell, structures.pbc.cpu().numpy(), counts, prefix)


def check_cells(
    positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray, counts: np.ndarray, prefix: str = ""
) -> None:
    """Check the geometry alone: finite positions, finite cells, independent rows along periodic directions.

    Raises
    ------
    ValueError
        As ``check`` does for positions and cells.
    """
    if not np.isfinite(positions).all():
        atom = _first(~np.isfinite(positions).all(1))
        structure = int(np.searchsorted(np.cumsum(counts), atom, side="right"))
        raise ValueError(
            f"{prefix}atom {atom} (structure {structure}) has position {positions[atom].tolist()}; "
            "positions must be finite numbers in Å."
        )
    if not np.isfinite(cell).all():
        bad = _first(~np.isfinite(cell).all((1, 2)))
        raise ValueError(f"{prefix}cell of structure {bad} is {cell[bad].tolist()}; it must be finite (Å).")
    periodic = np.flatnonzero(pbc.any(1))
    if len(periodic) == 0:
        return
    height = heights(cell[periodic], pbc[periodic])
    if (height < MIN_HEIGHT).any():
        bad = periodic[_first((height < MIN_HEIGHT).any(1))]
        flags = ",".join("T" if p else "F" for p in pbc[bad])
        rows = (
            "three independent rows" if pbc[bad].all() else "independent rows along the periodic directions"
        )
        raise ValueError(
            f"{prefix}cell of structure {bad} is singular ({cell[bad].tolist()} Å); "
            f"periodic structures need {rows} (pbc=[{flags}]). Give the cell, or set pbc to F."
        )


def _first(mask: np.ndarray | np.bool) -> int:
    return int(np.flatnonzero(mask)[0])
