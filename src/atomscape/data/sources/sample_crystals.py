"""The embedded crystals: common structure types × elements, for the map. Geometry only, no energies.

They ship with the package and are made by ``scripts/make_sample.py``; ``sample/crystals.json`` says with
which package versions, ``scripts/sample_prototypes.yaml`` lists structure types and compounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from atomscape.atoms.properties import Property
from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, PropertyRecord
from atomscape.data.whole_numbers import read_parts, read_whole_numbers
from atomscape.o3.irreps import Irreps

FILE = "crystals.npz"


def _scalar(name: str, unit: str, description: str) -> PropertyRecord:
    return PropertyRecord.of(Property(name, unit, "structure", Irreps("0e"), False, description=description))


card = Card(
    name="sample_crystals",
    title="Sample crystals",
    description="Primitive cells of elements and of compounds in common structure types. Ids are "
    "'<structure type>-<formula>', for instance 'rocksalt-NaCl'. Elements have the lattice constants "
    "that ASE lists. Cells of compounds are estimates from sums of radii: edges are mostly within 4 % of "
    "measured ones, at worst about 8 %; not every compound takes the listed type at ambient conditions.",
    licence="CC0-1.0",
    citation="Made for atomscape. Radii: R. D. Shannon, Acta Cryst. A 32, 751 (1976); B. Cordero et al., "
    "Dalton Trans. 2832 (2008)",
    level_of_theory="none: geometric estimates",
    properties=(
        _scalar("density", "g/cm³", "mass over volume of the cell"),
        _scalar("volume_per_atom", "Å³", "volume of the cell over its number of atoms"),
    ),
    embedded="sample",
    verified="the file that ships",
)


def inputs(folder: Path) -> list[Path]:
    """Files that ``read`` will use."""
    return [path] if (path := folder / FILE).is_file() else []


def read(folder: Path) -> Iterator[Structures]:
    """Perfect crystals, periodic in all directions."""
    yield from read_whole_numbers(folder / FILE)


def splits(folder: Path) -> Mapping[str, np.ndarray]:
    """Train, val, test at random."""
    return read_parts(folder / FILE)
