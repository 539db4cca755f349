"""LiPS: molecular dynamics of the superionic conductor Li₆.₇₅P₃S₁₁ (83 atoms, 520 K).

Layouts: the publisher's ``lips.xyz`` (25,001 frames), or an excerpt, ``lips_160.extxyz.gz``. Å, eV, eV/Å.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from ase import Atoms

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, FileRecord, records
from atomscape.data.known_columns import column, read_columns
from atomscape.data.source import first_layout

FILE, EXCERPT = "lips.xyz", "lips_160.extxyz.gz"

card = Card(
    name="lips",
    title="LiPS",
    description="One trajectory of a Li₂S–P₂S₅ electrolyte; the excerpt has 160 of its frames.",
    licence="CC-BY-4.0",
    citation="S. Batzner et al., Nat. Commun. 13, 2453 (2022)",
    level_of_theory="PBE, ab-initio molecular dynamics",
    url="https://archive.materialscloud.org/record/2022.45",
    properties=records("energy", "forces"),
    n_structures=25_001,
    files={
        FILE: FileRecord(url=f"https://archive.materialscloud.org/record/file?filename={FILE}&record_id=1302")
    },
    verified="on an excerpt of 160 frames and hand-made frames as extended XYZ, never on the whole download",
)


def inputs(folder: Path) -> list[Path]:
    """Files that ``read`` will use: the whole trajectory, else the excerpt."""
    return first_layout(folder, [FILE], [EXCERPT])


def read(folder: Path) -> Iterator[Structures]:
    """Frames of the trajectory; ids are ``lips/<k>``, in the excerpt with the excerpt's own numbers."""
    return read_columns(inputs(folder)[0], (column("energy"), column("forces")), _name)


def splits(folder: Path) -> Mapping[str, np.ndarray]:
    """The publisher fixed none."""
    return {}


def _name(k: int, image: Atoms) -> str:
    return f"lips/{image.info.get('i', k)}"
