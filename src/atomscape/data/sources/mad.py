"""MAD: massive atomic diversity, 85 elements in bulk, surfaces, clusters, molecules and molecular crystals.

Layouts: the publisher's ``mad-train.xyz mad-val.xyz mad-test.xyz``, or an excerpt, ``mad_900.extxyz.gz``.
Extended XYZ in eV, eV/Å, eV/Å³; the entry ``subset`` says where a structure comes from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from ase import Atoms

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, records
from atomscape.data.known_columns import column, entries, read_columns
from atomscape.data.source import first_layout

PARTS = ("train", "val", "test")
FILES, EXCERPT = [f"mad-{part}.xyz" for part in PARTS], "mad_900.extxyz.gz"
COLUMNS = (column("energy"), column("forces"), column("stress"))

card = Card(
    name="mad",
    title="MAD",
    description="Stable structures and aggressively distorted ones, all computed alike. The splits train, "
    "val and test are the published ones, and each subset (MC3D, MC3D-rattled …) is a split of its name. The "
    "excerpt has 900 periodic structures of the published validation set.",
    licence="CC-BY-4.0",
    citation="A. Mazitov et al., arXiv:2506.19674; A. Mazitov et al., PET-MAD, arXiv:2503.14118",
    level_of_theory="PBEsol, Quantum ESPRESSO",
    url="https://doi.org/10.24435/materialscloud:vd-e8",
    properties=records("energy", "forces", "stress"),
    folders=("mad", "mad_sample"),
    verified="on an excerpt of 900 structures and hand-made ones in the published format, never on the whole "
    "set",
)


def inputs(folder: Path) -> list[Path]:
    """Files that ``read`` will use: the three published ones, else the excerpt."""
    return first_layout(folder, FILES, [EXCERPT])


def read(folder: Path) -> Iterator[Structures]:
    """Structures; ids are ``mad-val-0`` …, with the file's own order."""
    for path in inputs(folder):
        part = path.name.split(".")[0]
        yield from read_columns(path, COLUMNS, _names(part), optional=("stress",))


def splits(folder: Path) -> Mapping[str, np.ndarray]:
    """The published train, val, test, and the subsets."""
    paths = inputs(folder)
    parts = np.concatenate([entries(path, "split") for path in paths])
    subsets = np.concatenate([entries(path, "subset") for path in paths])
    named = {part: np.flatnonzero(parts == part) for part in PARTS if (parts == part).any()}
    return named | {str(s): np.flatnonzero(subsets == s) for s in np.unique(subsets) if s}


def _names(part: str):
    def name(k: int, image: Atoms) -> str:
        return f"{part}-{k}"

    return name
