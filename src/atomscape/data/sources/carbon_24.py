"""carbon-24: 10,153 crystals of 6 to 24 carbon atoms, found by random search at 10 GPa, with CDVAE's split.

Layouts: CDVAE's ``train.csv val.csv test.csv``, or packed lines of JSON, ``carbon_24.jsonl.gz``. Energies
are published per atom and kept as totals.
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

PACKED = "carbon_24.jsonl.gz"
CARBON = 6

card = Card(
    name="carbon_24",
    title="carbon-24",
    description="The tenth of lowest energy of an ab-initio random structure search. Many entries are the "
    "same crystal in another cell: of 10,153 about 4,250 differ. The packed layout knows energies for val "
    "and test only.",
    licence="MIT; data CC-BY-4.0",
    citation="C. J. Pickard, AIRSS data for carbon at 10GPa, Materials Cloud, doi:10.24435/materialscloud:"
    "2020.0026/v1 (2020); T. Xie et al., CDVAE, arXiv:2110.06197",
    level_of_theory="PBE, CASTEP, relaxed at 10 GPa",
    url="https://github.com/txie-93/cdvae",
    properties=records("energy"),
    n_structures=10_153,
    files=cdvae.published("carbon_24"),
    verified="packed layout: on all crystals; CSV layout: on the published val and test sets",
)


def inputs(folder: Path) -> list[Path]:
    """Files that ``read`` will use: the three CSV files, else the packed one."""
    return first_layout(folder, cdvae.FILES, [PACKED])


def read(folder: Path) -> Iterator[Structures]:
    """Crystals with energies, NaN where one has none; ids are the publisher's."""
    paths = inputs(folder)
    if paths[0].name != PACKED:
        return itertools.chain.from_iterable(cdvae.read_csv(path, _labels) for path in paths)
    return cdvae.read_lines(paths[0], _labels, CARBON)


def splits(folder: Path) -> Mapping[str, np.ndarray]:
    """CDVAE's train, val, test."""
    return cdvae.splits_of(inputs(folder))


def _labels(row: Mapping, n: int) -> dict[str, float]:
    known = row["energy_per_atom"]
    return {"energy": np.nan if known is None else float(known) * n}
