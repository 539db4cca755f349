"""Crystals from CIF text as pymatgen writes it for P1 cells: cell parameters and one loop of all atoms.

Files with symmetry operations, partial occupancies or other dialects are refused; ASE reads those.
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np
from ase.data import atomic_numbers

_CELL = re.compile(r"^_cell_(?:length|angle)_(a|b|c|alpha|beta|gamma)\s+(\S+)", re.MULTILINE)
_COLUMNS = ("type_symbol", "fract_x", "fract_y", "fract_z")


def read_p1(text: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Atomic numbers [atoms], fractional coordinates [atoms, 3], cell parameters (Å, degrees) [6].

    Raises
    ------
    ValueError
        The text is no P1 CIF with full occupancies; the message says what is missing.
    """
    found = dict(_CELL.findall(text))
    try:
        parameters = np.array([_number(found[k]) for k in ("a", "b", "c", "alpha", "beta", "gamma")])
    except KeyError as error:
        raise ValueError(f"CIF has no _cell parameter {error}") from error
    operations = re.findall(r"^\s*\d*\s*'?(-?x[^'\n]*)'?\s*$", text, re.MULTILINE)
    if any(o.replace(" ", "") != "x,y,z" for o in operations):
        raise ValueError(f"CIF has symmetry operations {operations[:3]}; only P1 is read here")
    columns, rows = _atom_loop(text)
    where = [columns.index(c) for c in _COLUMNS]
    if "occupancy" in columns and any(_number(r[columns.index("occupancy")]) != 1.0 for r in rows):
        raise ValueError("CIF has partial occupancies; disordered crystals are not read")
    numbers = np.array([_atomic_number(r[where[0]]) for r in rows], dtype=np.int64)
    fractions = np.array([[_number(r[k]) for k in where[1:]] for r in rows], dtype=np.float64)
    return numbers, fractions, parameters


def _atom_loop(text: str) -> tuple[list[str], list[list[str]]]:
    for block in re.split(r"^loop_\s*$", text, flags=re.MULTILINE)[1:]:
        lines = [line.strip() for line in block.strip().splitlines()]
        head = [line.removeprefix("_atom_site_") for line in lines if line.startswith("_atom_site_")]
        if all(c in head for c in _COLUMNS):
            rows = [line.split() for line in lines if line and line[0] not in "_#"]
            if not rows or any(len(r) != len(head) for r in rows):
                raise ValueError(f"CIF's loop of atoms has rows that do not fit its {len(head)} columns")
            return head, rows
    raise ValueError(f"CIF has no loop with {', '.join('_atom_site_' + c for c in _COLUMNS)}")


def _number(token: str) -> float:
    return float(token.split("(")[0])


@cache
def _atomic_number(symbol: str) -> int:
    """``Fe``, or ``Fe3+`` in CIFs with oxidation states."""
    element = re.match(r"[A-Z][a-z]?", symbol)
    if element is None or element[0] not in atomic_numbers:
        raise ValueError(f"CIF has the unknown element {symbol!r}")
    return atomic_numbers[element[0]]
