"""Columns of ASE structures: entries of ``atoms.info``, of ``atoms.arrays`` and of a calculator's results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from ase import Atoms

Place = Literal["info", "arrays", "calculator"]
"""Where a column stands."""

Row = dict[tuple[Place, str], object]
"""The columns of one structure: place and key → value."""

ID_KEYS = ("id", "ids", "name", "uid", "structure_id", "material_id", "identifier")
"""Keys of ``info`` that name a structure."""

BOOKKEEPING = frozenset(
    ("numbers", "positions", "tags", "momenta", "masses", "initial_magmoms", "initial_charges")
)
"""Arrays that ASE itself keeps, and that are no labels."""


@dataclass(eq=False)
class Column:
    """What was seen of one column."""

    place: Place
    key: str
    known: int = 0
    kinds: set[tuple[str, tuple[int, ...]]] = field(default_factory=set)
    numeric: bool = True

    def __str__(self) -> str:
        return f"{self.key} ({self.place})"


def columns_of(image: Atoms) -> Row:
    """All columns of one structure; results of a calculator count only if they are of this very structure."""
    row: Row = {("info", key): value for key, value in image.info.items()}
    row |= {("arrays", key): value for key, value in image.arrays.items() if key not in BOOKKEEPING}
    results = getattr(image.calc, "results", None)
    if results and _same(image, getattr(image.calc, "atoms", None)):
        row |= {("calculator", key): value for key, value in results.items()}
    return row


def _same(image: Atoms, other: Atoms | None) -> bool:
    """Whether a calculator's structure is still this one; ASE's own comparison is ten times slower."""
    return (
        other is not None
        and np.array_equal(image.numbers, other.numbers)
        and np.array_equal(image.positions, other.positions)
        and np.array_equal(image.cell.array, other.cell.array)
        and np.array_equal(image.pbc, other.pbc)
    )


def columns_in(images: Sequence[Atoms], rows: Sequence[Row]) -> dict[tuple[Place, str], Column]:
    """What the columns of several structures are: how often known, numbers or not, of which shapes."""
    found: dict[tuple[Place, str], Column] = {}
    for image, row in zip(images, rows, strict=True):
        for (place, key), value in row.items():
            if value is None or (place == "info" and key in ID_KEYS):
                continue
            column = found.setdefault((place, key), Column(place, key))
            column.known += 1
            numbers = isinstance(value, np.ndarray | np.generic | list | tuple | bool | int | float)
            array = np.asarray(value, dtype=None if numbers else object)
            if array.dtype.kind not in "biuf":
                column.numeric = False
                continue
            per_atom = place == "arrays" or (place == "calculator" and array.shape[:1] == (len(image),))
            shape = array.shape[1:] if per_atom else array.shape
            column.kinds.add(("atom" if per_atom else "structure", shape))
    return found
