"""ShiftML: molecular crystals with the NMR shielding tensor of every atom, energies, forces, stresses.

Layouts: the published ``train.xyz val.xyz test.xyz``, or the first of them packed, ``shiftml_train.xyz.gz``.
Extended XYZ in ppm, eV, eV/Å, eV/Å³; ``cs_tensor`` holds xx xy xz yx yy yz zx zy zz.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from ase import Atoms

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, FileRecord, records
from atomscape.data.known_columns import column, count_frames, read_columns
from atomscape.data.source import first_layout

PARTS = ("train", "val", "test")
FILES, EXCERPT = [f"{part}.xyz" for part in PARTS], "shiftml_train.xyz.gz"
COLUMNS = (
    column("energy"),
    column("forces"),
    column("stress"),
    column("shielding", "cs_tensor"),
    column("isotropic_shielding", "cs_iso"),
)
_ROOT = "https://raw.githubusercontent.com/metatensor/metatrain/783bb94f6e00ae029a596d62659a2252ab8e5fde/docs/static/sML"

card = Card(
    name="shiftml",
    title="ShiftML",
    description="Crystals of organic molecules from the Cambridge database, relaxed or from molecular "
    "dynamics. Shielding tensors are as printed and not symmetric; which index is the field's and which the "
    "induced field's is not stated. The published splits are train, val and test; the packed layout has "
    "train only.",
    licence="BSD-3-Clause",
    citation="M. Cordova et al., J. Phys. Chem. C 126, 16710 (2022)",
    level_of_theory="PBE with van der Waals correction, plane waves, GIPAW shieldings",
    url="https://github.com/metatensor/metatrain",
    properties=records("energy", "forces", "stress", "shielding", "isotropic_shielding"),
    files={file: FileRecord(url=f"{_ROOT}/{file}") for file in FILES},
    folders=("shiftml", "shiftml_nmr"),
    verified="on the published training set; val and test have the same format",
)


def inputs(folder: Path) -> list[Path]:
    """Files that ``read`` will use: the three published ones, else the packed training set."""
    return first_layout(folder, FILES, [EXCERPT])


def read(folder: Path) -> Iterator[Structures]:
    """Crystals; ids are ``<refcode>/<k>``: frames of one crystal share the code of the Cambridge database."""
    k = 0
    for path in inputs(folder):
        for batch in read_columns(path, COLUMNS, lambda i, image, start=k: _name(start + i, image)):
            k += len(batch)
            yield batch


def splits(folder: Path) -> Mapping[str, np.ndarray]:
    """Train, val, test as published, as far as their files are there."""
    paths = inputs(folder)
    ends = np.cumsum([0] + [count_frames(path) for path in paths])
    return {part: np.arange(ends[k], ends[k + 1]) for k, part in zip(range(len(paths)), PARTS, strict=False)}


def _name(k: int, image: Atoms) -> str:
    return f"{image.info['NAME']}/{k}"
