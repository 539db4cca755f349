"""Molecules whose energy depends on charge or spin: Ag₃⁺/Ag₃⁻ and CH₂ as singlet and triplet.

Two ASE databases of 2,200 frames (eV, eV/Å, e·Å). Every geometry is there in both states. The column
``spin_multiplicity`` counts unpaired electrons (0 singlet, 2 triplet); the label is 2S + 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from ase import Atoms

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, FileRecord, records
from atomscape.data.known_columns import column, numbered, read_columns
from atomscape.data.source import Part, first_layout

_ROOT = (
    "https://raw.githubusercontent.com/atomistic-machine-learning/schnetpack/"
    "384f778e093de4233ce2ea3ec8ce2d756c18273b/tests/electronic_embedding"
)
FILES = {"ag3": "ase_ag3_2200.db", "carbene": "ase_carbene_2200.db"}
STATES = {
    "ag3": ("Ag₃⁺ and Ag₃⁻", "silver trimers, 1,100 geometries in two charge states"),
    "carbene": ("CH₂, singlet and triplet", "methylene, 1,100 geometries in two spin states"),
}
COLUMNS = (
    column("energy", place="info"),
    column("forces", place="arrays"),
    column("dipole", "dipole_moment", place="info"),
    column("total_charge", place="info"),
    column("total_spin", "multiplicity", place="info"),
)


def _card(name: str) -> Card:
    title, what = STATES[name]
    return Card(
        name=f"charge_spin:{name}",
        title=title,
        description=f"{what[0].upper()}{what[1:]}. A model that is told neither charge nor spin cannot fit "
        "both energies of one geometry.",
        licence="MIT",
        citation="O. T. Unke et al., SpookyNet, Nat. Commun. 12, 7273 (2021)",
        level_of_theory="not stated by the publisher",
        url="https://github.com/atomistic-machine-learning/schnetpack",
        properties=records("energy", "forces", "dipole", "total_charge", "total_spin"),
        files={FILES[name]: FileRecord(url=f"{_ROOT}/{FILES[name]}")},
        folders=("charge_spin",),
        n_structures=2_200,
        verified="on the published file",
    )


def _inputs(name: str, folder: Path) -> list[Path]:
    return first_layout(folder, [FILES[name]])


def _read(name: str, folder: Path) -> Iterator[Structures]:
    return read_columns(_inputs(name, folder)[0], COLUMNS, numbered(name), _multiplicity)


def _multiplicity(image: Atoms) -> None:
    unpaired = np.asarray(image.info["data"]["spin_multiplicity"])
    image.info["multiplicity"] = unpaired + 1.0


parts = {
    name: Part(_card(name), partial(_inputs, name), partial(_read, name), str(__file__)) for name in FILES
}
