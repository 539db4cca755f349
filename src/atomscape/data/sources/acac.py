"""Acetylacetone: training at 300 or 600 K, tests at both, along a proton transfer and a dihedral scan.

The repository's files, in Å, eV, eV/Å.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from atomscape.atoms.structures import Structures
from atomscape.data.botnet import published, read_sets, sets_of
from atomscape.data.card import Card, records
from atomscape.data.source import first_layout

SETS = ("train_300K", "train_600K", "test_MD_300K", "test_MD_600K", "test_H_transfer", "test_dihedral")
FILES = (*(f"{name}.xyz" for name in SETS), "isolated_atoms.xyz")

card = Card(
    name="acac",
    title="Acetylacetone",
    description="Two training sets of 500 decorrelated frames from xTB dynamics at 300 and 600 K, test sets "
    "at both temperatures, a path of proton transfer, a dihedral scan, and the isolated atoms. Each file is "
    "a split of its name.",
    licence="MIT",
    citation="I. Batatia et al., arXiv:2205.06643",
    level_of_theory="PBE-D3/def2-SVP, unrestricted, very tight SCF convergence",
    url="https://github.com/davkovacs/BOTNet-datasets",
    properties=records("energy", "forces", "isolated_atom"),
    files=published("dataset_acac", FILES),
    verified="on the published isolated atoms and hand-made frames in the same format, never on the whole "
    "download",
)


def inputs(folder: Path) -> list[Path]:
    """Files that ``read`` will use: all of the repository's."""
    return first_layout(folder, FILES)


def read(folder: Path) -> Iterator[Structures]:
    """Frames of all sets, then the isolated atoms; ids are ``train_300K/0`` …"""
    return read_sets(inputs(folder))


def splits(folder: Path) -> Mapping[str, np.ndarray]:
    """Each file, under its name; ``isolated_atoms``."""
    return sets_of(inputs(folder))
