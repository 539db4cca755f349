"""MP-20: crystals of at most 20 atoms from the Materials Project, the set on which generative models compare.

Layouts: the three CSV files published with CDVAE, or ``mp20_official_rows.csv.gz``, some of their rows with a
column ``split``. Structures and labels belong together here; the set ``materials_project`` has more crystals,
of a later database.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from atomscape.atoms.structures import Structures
from atomscape.data import cdvae
from atomscape.data.card import Card, records
from atomscape.data.source import first_layout
from atomscape.data.sources.materials_project import CSV_LABELS, read_csv

ROWS = "mp20_official_rows.csv.gz"

card = Card(
    name="mp_20",
    title="MP-20",
    description="Crystals near the convex hull with at most 20 atoms: formation energy per atom, PBE gap and "
    "distance to the hull (database of 2021), in CDVAE's split. Ids are Materials Project ids. The copy of "
    "single rows has 1,309 of the 45,231 crystals.",
    licence="CC-BY-4.0",
    citation="A. Jain et al., APL Mater. 1, 011002 (2013); T. Xie et al., CDVAE, arXiv:2110.06197",
    level_of_theory="PBE and PBE+U with Materials Project corrections",
    url="https://github.com/txie-93/cdvae",
    properties=records(*CSV_LABELS.values()),
    files=cdvae.published("mp_20"),
    folders=("mp_20", "materials_project"),
    verified="1,309 original rows, crystal by crystal against ASE; never on the whole download. The "
    "publisher states no checksum.",
)


def inputs(folder: Path) -> list[Path]:
    """The three files, else the copy of single rows."""
    return first_layout(folder, cdvae.FILES, [ROWS])


def read(folder: Path) -> Iterator[Structures]:
    """Crystals with labels, in the order of the files."""
    return itertools.chain(*map(read_csv, inputs(folder)))


def splits(folder: Path) -> Mapping[str, np.ndarray]:
    """CDVAE's train, val and test."""
    paths = inputs(folder)
    if len(paths) > 1:
        return cdvae.splits_of(paths)
    part = np.array([row["split"] for row in cdvae.csv_rows(paths[0])])
    return {name: np.flatnonzero(part == name) for name in cdvae.PARTS}
