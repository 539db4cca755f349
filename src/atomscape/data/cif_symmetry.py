"""Crystals from CIFs that list their symmetry operations: the asymmetric unit and all its images.

The operations that stand in the file are used, and not those that a space group of that name has elsewhere:
files have other origins and axes than tables.
"""

from __future__ import annotations

import io
import re
from fractions import Fraction
from typing import Any, cast

import numpy as np
from ase import Atoms
from ase.io.cif import parse_cif

SAME = 0.1
"""Å: images of a site that are closer are one atom; files give 0.6667 for 2/3."""

_LISTS = ("_space_group_symop_operation_xyz", "_symmetry_equiv_pos_as_xyz")


def read_expanded(text: str) -> Atoms | None:
    """Crystal of the first block; None where no operations are listed.

    Raises
    ------
    ValueError
        An operation or a site cannot be read, or a site is not fully occupied.
    """
    block = cast(Any, next(iter(parse_cif(io.StringIO(text), reader="ase"))))
    listed = next((block[key] for key in _LISTS if key in block), None)
    if listed is None or isinstance(listed, str) or len(listed) < 2:
        return None
    rotations, translations = zip(*map(operation, listed), strict=True)
    occupancies = [float(o) for o in block.get("_atom_site_occupancy") or [] if not isinstance(o, str)]
    if any(abs(o - 1.0) > 1e-6 for o in occupancies):
        raise ValueError(f"disordered: sites with occupancies {sorted(set(occupancies))}")
    try:
        sites = np.array([block[f"_atom_site_fract_{axis}"] for axis in "xyz"], dtype=np.float64).T
    except (KeyError, ValueError) as error:
        raise ValueError(f"sites without fractional coordinates: {error}") from error
    cell = np.asarray(block.get_cell().array)
    symbols, positions = [], []
    for symbol, site in zip(block.get_symbols(), sites, strict=True):
        images = np.array(rotations) @ site + np.array(translations)
        kept = _distinct(images, cell)
        symbols += [symbol] * len(kept)
        positions.append(kept % 1.0)
    return Atoms(symbols, scaled_positions=np.concatenate(positions), cell=cell, pbc=True)


def operation(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Rotation [3, 3] and translation [3] of ``-x+y, 1/2-x, z+0.25``.

    Raises
    ------
    ValueError
        The text is no operation.
    """
    rows = text.lower().replace(" ", "").split(",")
    rotation, translation = np.zeros((3, 3)), np.zeros(3)
    for k, row in enumerate(rows[:3]):
        terms = re.findall(r"([+-]?)([xyz]|\d+\.?\d*(?:/\d+)?|\.\d+)", row)
        if len(rows) != 3 or "".join(sign + term for sign, term in terms) != row or not row:
            raise ValueError(f"{text!r} is no symmetry operation")
        for sign, term in terms:
            factor = -1.0 if sign == "-" else 1.0
            if term in "xyz":
                rotation[k, "xyz".index(term)] += factor
            else:
                translation[k] += factor * float(Fraction(term))
    return rotation, translation


def _distinct(images: np.ndarray, cell: np.ndarray) -> np.ndarray:
    apart = images[:, None] - images[None]
    close = np.linalg.norm((apart - np.rint(apart)) @ cell, axis=-1) < SAME
    return images[np.flatnonzero(close.argmax(1) == np.arange(len(images)))]
