"""3BPA: a flexible drug-like molecule (27 atoms) at 300, 600 and 1200 K, made to test extrapolation.

Layouts: the repository's files (``train_300K.xyz`` … ``iso_atoms.xyz``), or the two training sets packed
(``train_300K.xyz.gz``, ``train_mixedT.xyz.gz``). Å, eV, eV/Å.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from atomscape.atoms.structures import Structures
from atomscape.data.botnet import published, read_sets, sets_of
from atomscape.data.card import Card, records
from atomscape.data.source import first_layout

TRAINING = ("train_300K", "train_mixedT")
TESTS = ("test_300K", "test_600K", "test_1200K", "test_dih_beta120", "test_dih_beta150", "test_dih_beta180")
FILES = (*(f"{name}.xyz" for name in (*TRAINING, *TESTS)), "iso_atoms.xyz")
EXCERPT = (*(f"{name}.xyz.gz" for name in TRAINING), "iso_atoms.xyz")

card = Card(
    name="3bpa",
    title="3BPA",
    description="3-(benzyloxy)pyridin-2-amine: two training sets of 500 frames (300 K; 300, 600 and 1200 K "
    "mixed), test sets at three temperatures and along slices of the dihedral landscape, and the isolated "
    "atoms. Each file is a split of its name.",
    licence="MIT",
    citation="D. P. Kovács et al., J. Chem. Theory Comput. 17, 7696 (2021); "
    "I. Batatia et al., arXiv:2205.06643",
    level_of_theory="ωB97X/6-31G(d)",
    url="https://github.com/davkovacs/BOTNet-datasets",
    properties=records("energy", "forces", "isolated_atom"),
    n_structures=13_997,
    files=published("dataset_3BPA", FILES),
    verified="on both training sets and the isolated atoms; the test sets have the same format",
)


def inputs(folder: Path) -> list[Path]:
    """Files that ``read`` will use: all of the repository's, else the training sets and the atoms."""
    return first_layout(folder, FILES, EXCERPT)


def read(folder: Path) -> Iterator[Structures]:
    """Frames of all sets, then the isolated atoms; ids are ``train_300K/0`` …"""
    return read_sets(inputs(folder))


def splits(folder: Path) -> Mapping[str, np.ndarray]:
    """Each file, under its name; ``isolated_atoms``."""
    return sets_of(inputs(folder))
