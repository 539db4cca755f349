"""One carbon crystal, written in 350 ways: other cells of its lattice, other sizes, shifted coordinates.

Read from ``train_NXL.extxyz.gz``, or from ``train_NXL.lmdb`` as published: dictionaries, kept as pickles,
read by ``atomscape.data.unpickle``, which calls nothing that they name.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, records
from atomscape.data.density import with_density
from atomscape.data.foreign_rows import atoms_of
from atomscape.data.known_columns import numbered, read_columns
from atomscape.data.lmdb_files import numbered_keys, opened
from atomscape.data.rows import Row, batched
from atomscape.data.source import first_layout, no_splits
from atomscape.data.unpickle import unpickled

FILE, PUBLISHED = "train_NXL.extxyz.gz", "train_NXL.lmdb"

card = Card(
    name="carbon_duplicates",
    title="One carbon crystal in 350 descriptions",
    description="The same crystal in cells of different sizes, with different lattice vectors and origins: "
    "every embedding, energy per atom or fingerprint must be the same for all. All ids are in one group. "
    "Geometry, and what follows from it.",
    licence="MIT",
    citation="P. Höllmer et al., Open Materials Generation with Stochastic Interpolants (2025), "
    "arXiv:2502.02582; crystal of Carbon-24, C. J. Pickard (2020), CC-BY-4.0",
    level_of_theory="PBE, relaxed (of the crystal)",
    url="https://github.com/FERMat-ML/OMatG",
    properties=records("density", "volume_per_atom"),
    verified="on extended XYZ made of the published file: densities of all 350 lie within 0.5 % of one "
    "another, as their cells do; the published LMDB: on a hand-made one with its columns",
)
splits = no_splits


def inputs(folder: Path) -> list[Path]:
    """The file, in the one layout or the other."""
    return first_layout(folder, [FILE], [PUBLISHED])


def read(folder: Path) -> Iterator[Structures]:
    """All descriptions; ids ``carbon/0``, ``carbon/1`` …

    Raises
    ------
    ImportError
        The file is the published one, and the package ``lmdb`` is not installed.
    """
    if inputs(folder) == [folder / PUBLISHED]:
        return map(with_density, batched(_rows(folder / PUBLISHED), ()))
    return map(with_density, read_columns(folder / FILE, (), numbered("carbon")))


def _rows(path: Path) -> Iterator[Row]:
    with opened(path) as transaction:
        for key in numbered_keys(transaction):
            atoms = atoms_of(unpickled(transaction.get(str(key).encode())))
            yield Row(f"carbon/{key}", atoms.numbers, atoms.positions, atoms.cell.array)
