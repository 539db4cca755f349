"""Point symmetry of a finite set of atoms: all rotations and reflections that map it onto itself."""

from __future__ import annotations

import itertools

import numpy as np

TOLERANCE = 1e-4
"""Å within which an atom must meet one of its kind."""


def symmetry_elements(positions: np.ndarray, numbers: np.ndarray, tolerance: float = TOLERANCE) -> np.ndarray:
    """Orthogonal matrices [order, 3, 3] about the centre of the atoms that map every atom to one of its kind.

    Three atoms whose directions from the centre are independent are followed: wherever they can go (to atoms
    of their kind and distance, keeping their angles) fixes one candidate, and each is tried on all atoms.

    Parameters
    ----------
    positions
        [atoms, 3] in Å.
    numbers
        Kinds [atoms].

    Raises
    ------
    ValueError
        All atoms lie in one plane with their centre: sets with such symmetry have no three directions.
    """
    r = positions - positions.mean(0)
    length = np.linalg.norm(r, axis=1)
    like = [
        np.flatnonzero((numbers == numbers[a]) & (np.abs(length - length[a]) < tolerance))
        for a in range(len(r))
    ]
    frame = _frame(r, [len(x) for x in like], tolerance)
    products = r @ r.T
    slack = 4 * tolerance * max(1.0, float(length.max()))
    inverse = np.linalg.inv(r[list(frame)])
    a, b, c = frame
    found = []
    for x, y in itertools.product(like[a], like[b]):
        if abs(products[x, y] - products[a, b]) > slack:
            continue
        for z in like[c]:
            if abs(products[x, z] - products[a, c]) < slack and abs(products[y, z] - products[b, c]) < slack:
                element = (inverse @ r[[x, y, z]]).T
                if _maps(element, r, numbers, tolerance):
                    found.append(element)
    return np.array(found)


def _frame(r: np.ndarray, choices: list[int], tolerance: float) -> tuple[int, int, int]:
    """Three atoms with independent directions, of those with the fewest atoms like them."""
    order = sorted(range(len(r)), key=lambda a: choices[a])
    directions = r / np.maximum(np.linalg.norm(r, axis=1, keepdims=True), tolerance)
    for triple in itertools.combinations(order, 3):
        if abs(np.linalg.det(directions[list(triple)])) > 0.05:
            return triple
    raise ValueError(f"the {len(r)} atoms lie in one plane with their centre, or nearly so")


def _maps(element: np.ndarray, r: np.ndarray, numbers: np.ndarray, tolerance: float) -> bool:
    images = r @ element.T
    apart = np.linalg.norm(images[:, None] - r[None], axis=-1)
    apart[numbers[:, None] != numbers[None]] = np.inf
    return bool((apart.min(1) < 10 * tolerance).all())
