"""Space groups in their settings, as spglib's database has them: names, operations, cells that fit them."""

from __future__ import annotations

from functools import cache

import numpy as np

from atomscape.atoms.crystal_symmetry import ask_spglib

SETTINGS = 530
"""Settings of the 230 groups in the database (Hall numbers 1 … 530)."""

RENAMED = {"Cmca": "Cmce", "Cmma": "Cmme", "Ccca": "Ccce"}
"""Names of groups with double glide planes before 1992, and since."""


def found_group(cell: np.ndarray, fractions: np.ndarray, numbers: np.ndarray, precision: float) -> int:
    """Number of the space group that spglib finds, 0 where it finds none; lengths and precision in Å."""
    dataset = ask_spglib("get_symmetry_dataset", (cell, fractions, numbers), symprec=precision)
    return dataset.number if dataset is not None else 0


@cache
def setting_named(name: str) -> tuple[int, int]:
    """Hall number and space group of ``Fd-3m:2``, ``R-3c:H`` or ``C12/c1``; the first setting of that name.

    Raises
    ------
    ValueError
        No setting has that name.
    """
    short, colon, choice = name.partition(":")
    found = _names().get(RENAMED.get(short, short) + colon + choice)
    if found is None:
        raise ValueError(f"no space group is called {name!r}; write for instance 'Fd-3m:2' or 'C12/c1'")
    return found


@cache
def first_settings() -> dict[int, int]:
    """Space group → Hall number of its first setting in the database."""
    found: dict[int, int] = {}
    for hall in range(1, SETTINGS + 1):
        found.setdefault(ask_spglib("get_spacegroup_type", hall).number, hall)
    return found


@cache
def operations(hall: int) -> tuple[np.ndarray, np.ndarray]:
    """Rotations [operations, 3, 3] and translations [operations, 3] of a setting, fractional."""
    found = ask_spglib("get_symmetry_from_database", hall)
    return found["rotations"].astype(np.float64), found["translations"]


def orbit(point: np.ndarray, hall: int, tolerance: float = 1e-6) -> np.ndarray:
    """Images of a fractional coordinate [3] within the cell [images, 3], each once."""
    rotations, translations = operations(hall)
    images = rotations @ point + translations
    return images[first_of_each(images, tolerance)] % 1.0


def first_of_each(points: np.ndarray, tolerance: float) -> np.ndarray:
    """Numbers of the points [points, 3] that no earlier one equals up to whole numbers and the tolerance."""
    apart = points[:, None] - points[None]
    same = (np.abs(apart - np.rint(apart)) < tolerance).all(-1)
    return np.flatnonzero(same.argmax(1) == np.arange(len(points)))


@cache
def _names() -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for hall in range(1, SETTINGS + 1):
        kind = ask_spglib("get_spacegroup_type", hall)
        for text in (kind.international_full, kind.international_short, *kind.international.split("=")):
            name = text.replace(" ", "").replace("_", "")
            for key in (name, f"{name}:{kind.choice}"):
                found.setdefault(key, (hall, kind.number))
    return found
