"""One carbon crystal, written in 350 ways: other cells of its lattice, other sizes, shifted coordinates.

Read from ``train_NXL.extxyz.gz``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, records
from atomscape.data.density import with_density
from atomscape.data.known_columns import numbered, read_columns
from atomscape.data.source import first_layout, no_splits

FILE = "train_NXL.extxyz.gz"

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
    verified="on the file itself: densities of all 350 lie within 0.5 % of one another, as their cells do",
)
splits = no_splits


def inputs(folder: Path) -> list[Path]:
    """The file."""
    return first_layout(folder, [FILE])


def read(folder: Path) -> Iterator[Structures]:
    """All descriptions; ids ``carbon/0``, ``carbon/1`` …"""
    return map(with_density, read_columns(folder / FILE, (), numbered("carbon")))
