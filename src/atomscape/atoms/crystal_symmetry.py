"""Symmetry of crystals, as spglib finds it.

A. Togo, K. Shinohara, I. Tanaka, Sci. Technol. Adv. Mater.: Methods 4, 2384822 (2024).
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from atomscape.atoms.structures import Structures
from atomscape.shapes import Float, Int


def ask_spglib(function: str, *arguments, **options) -> Any:
    """Answer of a function of spglib, None where it finds nothing.

    Its warnings, of a change in how it reports failure, concern this place alone and are not passed on.

    Raises
    ------
    ImportError
        spglib is not installed; the message says how.
    """
    try:
        import spglib
    except ImportError as error:
        raise ImportError("symmetry needs the package spglib: pip install 'atomscape[crystals]'") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return getattr(spglib, function)(*arguments, **options)
        except getattr(spglib, "SpglibError", ()):
            return None


def as_spglib(crystal: Structures) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One crystal as spglib takes it: cell (Å, rows), fractional coordinates, atomic numbers."""
    cell = crystal.cell[0].detach().double().numpy()
    fractions = np.linalg.solve(cell.T, crystal.positions.detach().double().numpy().T).T
    return cell, fractions, crystal.numbers.numpy()


def cartesian_operations(
    crystal: Structures, precision: float
) -> tuple[Float[np.ndarray, "operations 3 3"], Int[np.ndarray, "operations atoms"]] | None:
    """Rotations R (r → R r) of a crystal, one of each, and the atom that each atom goes to.

    Parameters
    ----------
    precision
        Å within which an atom must meet one of its kind.

    Returns
    -------
    None where there are no operations but translations.
    """
    cell, fractions, numbers = as_spglib(crystal)
    found = ask_spglib("get_symmetry", (cell, fractions, numbers), symprec=precision)
    if found is None:
        return None
    turns, first = np.unique(found["rotations"].reshape(-1, 9), axis=0, return_index=True)
    if len(turns) < 2:
        return None
    turns, shifts = turns.reshape(-1, 3, 3), found["translations"][first]
    rotations = np.einsum("ij,ojk,kl->oil", cell.T, turns.astype(float), np.linalg.inv(cell.T))
    images = []
    for turn, shift in zip(turns, shifts, strict=True):
        apart = (fractions @ turn.T + shift)[:, None] - fractions[None]
        images.append(np.linalg.norm((apart - np.rint(apart)) @ cell, axis=2).argmin(1))
    return rotations, np.stack(images)
