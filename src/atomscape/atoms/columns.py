"""Columns of ASE structures: entries of ``atoms.info``, of ``atoms.arrays`` and of a calculator's results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from ase import Atoms

from atomscape.atoms.properties import property_named
from atomscape.atoms.stresses import holds_virials, stress_of

Place = Literal["info", "arrays", "calculator"]
"""Where a column stands."""

Row = dict[tuple[Place, str], object]
"""The columns of one structure: place and key → value."""

ID_KEYS = ("id", "ids", "name", "uid", "structure_id", "material_id", "identifier", "sid")
"""Keys of ``info`` that name a structure."""

NESTED = ("key_value_pairs", "data")
"""Entries of ``info`` that hold columns themselves, as ASE's databases give them."""

BOOKKEEPING = frozenset(
    (
        *("numbers", "positions", "tags", "momenta", "masses", "initial_magmoms", "initial_charges"),
        *("spacegroup_kinds", "castep_labels"),
    )
)
"""Arrays that ASE itself keeps, its readers of crystals too, and that are no labels."""

ISOLATED = "isolatedatom"
"""``config_type`` of free atoms, whose energies are references; capitals do not matter."""

SAMPLE = 4096
"""Stresses are compared for so many structures at the beginning, and for one of so many after them."""


@dataclass(eq=False)
class Column:
    """What was seen of one column: how often it is known, numbers or not, of which kinds and shapes.

    ``texts`` are some of its values if they are text; ``stresses`` its values as stresses, by number of the
    structure, where they could be such.
    """

    place: Place
    key: str
    known: int = 0
    kinds: set[tuple[str, tuple[int, ...]]] = field(default_factory=set)
    numeric: bool = True
    texts: set[str] = field(default_factory=set)
    stresses: dict[int, np.ndarray] = field(default_factory=dict)

    def __str__(self) -> str:
        """``REF_energy (info)``."""
        return f"{self.key} ({self.place})"

    def see(self, number: int, image: Atoms, value: object) -> None:
        """Take note of the column's value in one structure."""
        self.known += 1
        numbers = isinstance(value, np.ndarray | np.generic | list | tuple | bool | int | float)
        array = np.asarray(value, dtype=None if numbers else object)
        if array.dtype.kind not in "biuf":
            self.numeric = False
            if isinstance(value, str) and (len(self.texts) < 9 or value.lower() == ISOLATED):
                self.texts.add(value)
            return
        per_atom = self.place == "arrays" or (self.place == "calculator" and array.shape[:1] == (len(image),))
        self.kinds.add(("atom", array.shape[1:]) if per_atom else ("structure", array.shape))
        sampled = number < SAMPLE or number % SAMPLE == 0
        if sampled and not per_atom and array.size in (6, 9) and image.pbc.all():
            self.stresses[number] = stress_of(image, array, holds_virials(self.key))


def columns_of(image: Atoms) -> Row:
    """All columns of one structure; results of a calculator count only if they are of this very structure.

    What a row of an ASE database holds besides (``key_value_pairs``, ``data``) counts as info, or as an array
    if it has a row per atom of vectors or of what the vocabulary keeps per atom.
    """
    row: Row = {("arrays", key): value for key, value in image.arrays.items() if key not in BOOKKEEPING}
    for key, value in image.info.items():
        if key in NESTED and isinstance(value, Mapping):
            row |= {(_place_of(name, v, len(image)), name): v for name, v in value.items()}
        else:
            row["info", key] = value
    results = getattr(image.calc, "results", None)
    if results and _same(image, getattr(image.calc, "atoms", None)):
        row |= {("calculator", key): value for key, value in results.items()}
    return row


def _place_of(key: str, value: object, n_atoms: int) -> Place:
    shape = np.shape(value) if isinstance(value, np.ndarray | list) else ()
    if shape[:1] != (n_atoms,):
        return "info"
    known = property_named(key)
    return "arrays" if (known.per == "atom" if known else len(shape) > 1) else "info"


def _same(image: Atoms, other: Atoms | None) -> bool:
    """Whether a calculator's structure is still this one; ASE's own comparison is ten times slower."""
    return (
        other is not None
        and np.array_equal(image.numbers, other.numbers)
        and np.array_equal(image.positions, other.positions)
        and np.array_equal(image.cell.array, other.cell.array)
        and np.array_equal(image.pbc, other.pbc)
    )


def columns_in(images: Iterable[Atoms]) -> tuple[int, dict[tuple[Place, str], Column]]:
    """Number of structures and what their columns are, in one pass."""
    found: dict[tuple[Place, str], Column] = {}
    n = 0
    for n, image in enumerate(images, start=1):
        for (place, key), value in columns_of(image).items():
            if value is not None and not (place == "info" and key in ID_KEYS):
                found.setdefault((place, key), Column(place, key)).see(n - 1, image, value)
    return n, found
