"""A sample of the Materials Project, the development set of the Open MatSciML Toolkit.

Read is ``materials_project.lmdb``, summaries as its client gave them, kept as pickles; they are read by
``atomscape.data.unpickle``, which calls nothing that they name.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, records
from atomscape.data.foreign_rows import atoms_of
from atomscape.data.lmdb_files import numbered_keys, opened
from atomscape.data.rows import Row, batched
from atomscape.data.source import first_layout, no_splits
from atomscape.data.unpickle import unpickled

FILE = "materials_project.lmdb"
LABELS = {"formation_energy_per_atom": "formation_energy", "band_gap": "gap"}

card = Card(
    name="materials_project_devset",
    title="Materials Project, development set",
    description="Two hundred summaries without their ids. Formation energies have the project's corrections; "
    "the total energies beside them mix functionals (81 of 200 are off by more than 0.5 eV/atom) and are "
    "left aside.",
    licence="CC-BY-4.0",
    citation="A. Jain et al., APL Mater. 1, 011002 (2013)",
    level_of_theory="PBE, PBE+U and r2SCAN with Materials Project corrections, mixed by entry",
    url="https://materialsproject.org",
    properties=records(*LABELS.values()),
    folders=("matsciml_devsets",),
    verified="on the file itself",
)
splits = no_splits


def inputs(folder: Path) -> list[Path]:
    """Files that ``read`` will use."""
    return first_layout(folder, [FILE])


def read(folder: Path) -> Iterator[Structures]:
    """Crystals in batches; ids are the rows of the file.

    Raises
    ------
    ImportError
        The package ``lmdb`` is not installed.
    """
    return batched(_rows(folder / FILE), card.properties)


def _rows(path: Path) -> Iterator[Row]:
    with opened(path) as transaction:
        for key in numbered_keys(transaction):
            summary = unpickled(bytes(transaction.get(str(key).encode())))
            atoms = atoms_of(summary)
            labels = {ours: summary[theirs] for theirs, ours in LABELS.items()}
            yield Row(
                f"mp-devset-{key}", atoms.numbers, np.asarray(atoms.positions), np.asarray(atoms.cell), labels
            )
