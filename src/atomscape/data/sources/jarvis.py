"""JARVIS-DFT: bulk and layered crystals with OptB88vdW, by NIST.

Parts are the sets of jarvis-tools; each is one zipped JSON list from figshare, read without being unpacked:
``dft_3d`` (76,000 bulk crystals), ``dft_3d_2021`` (55,000, the set of most published scores) and ``dft_2d``
(1,100 sheets in a cell with vacuum).
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from atomscape.atoms.properties import free_property
from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, FileRecord, records
from atomscape.data.json_stream import file_items, list_items
from atomscape.data.rows import Row, batched, number_or_nan, numbers_of
from atomscape.data.source import Part, first_layout
from atomscape.units import GPA, MEV

LABELS = {
    "formation_energy_peratom": ("formation_energy", 1.0),
    "ehull": ("energy_above_hull", 1.0),
    "optb88vdw_bandgap": ("gap", 1.0),
    "mbj_bandgap": ("gap_mbj", 1.0),
    "magmom_oszicar": ("total_magnetization", 1.0),
    "exfoliation_energy": ("exfoliation_energy", MEV),
    "bulk_modulus_kv": ("bulk_modulus", GPA),
    "shear_modulus_gv": ("shear_modulus", GPA),
}
"""Columns: our label and the factor into its unit. Missing values are the word ``na``."""
ENERGY = "optb88vdw_total_energy"
SETS = {
    "dft_3d": ("38521619", "jdft_3d-12-12-2022.json", "76,000 bulk crystals of December 2022"),
    "dft_3d_2021": ("29204826", "jdft_3d-8-18-2021.json", "55,000 bulk crystals of August 2021"),
    "dft_2d": ("38521268", "d2-12-12-2022.json", "1,100 sheets of December 2022, periodic with vacuum"),
}
PROPERTIES = records(
    "energy",
    "formation_energy",
    "energy_above_hull",
    "gap",
    free_property("gap_mbj", "structure", "eV", description="band gap with the Tran–Blaha potential"),
    "total_magnetization",
    "exfoliation_energy",
    "bulk_modulus",
    "shear_modulus",
)


def _inputs(file: str, folder: Path) -> list[Path]:
    return first_layout(folder, [f"{file}.zip"], [file])


def _read(file: str, folder: Path) -> Iterator[Structures]:
    """Crystals in batches; ids are JARVIS ids."""
    path = _inputs(file, folder)[0]
    return batched(map(_row, _entries(path)), PROPERTIES)


def _entries(path: Path) -> Iterator[Mapping[str, Any]]:
    if path.suffix != ".zip":
        yield from file_items(path)
        return
    try:
        with zipfile.ZipFile(path) as archive, archive.open(path.stem) as packed:
            yield from list_items(io.TextIOWrapper(packed, encoding="utf-8"))
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise ValueError(f"{path} is not the archive of {path.stem}: {error}; download it again") from error


def _row(entry: Mapping[str, Any]) -> Row:
    atoms = entry["atoms"]
    cell = np.array(atoms["lattice_mat"], dtype=np.float64)
    coordinates = np.array(atoms["coords"], dtype=np.float64).reshape(-1, 3)
    positions = coordinates if atoms["cartesian"] else coordinates @ cell
    labels = {ours: _value(entry.get(theirs), factor) for theirs, (ours, factor) in LABELS.items()}
    labels["energy"] = _value(entry.get(ENERGY), len(positions))
    symbols = (symbol.strip() for symbol in atoms["elements"])
    return Row(entry["jid"], numbers_of(symbols), positions, cell, labels)


def _value(value: Any, factor: float) -> float | None:
    number = number_or_nan(value) * factor
    return None if np.isnan(number) else number


def _part(name: str) -> Part:
    number, file, what = SETS[name]
    card = Card(
        name=f"jarvis:{name}",
        title=f"JARVIS-DFT, {name}",
        description=f"{what[0].upper()}{what[1:]}. energy is the total energy of the cell; the file gives it "
        "per atom. Moduli are Voigt averages.",
        licence="stated on the figshare record, doi:10.6084/m9.figshare."
        + ("6815705" if name == "dft_2d" else "6815699"),
        citation="K. Choudhary et al., npj Comput. Mater. 6, 173 (2020)",
        level_of_theory="OptB88vdW; gap_mbj: Tran–Blaha modified Becke–Johnson",
        url="https://jarvis.nist.gov",
        properties=PROPERTIES,
        folders=("jarvis",),
        files={f"{file}.zip": FileRecord(url=f"https://figshare.com/ndownloader/files/{number}")},
        verified="on a hand-made file in the form that jarvis-tools reads, never on the whole download. The "
        "publisher's checksum was not at hand: the first download is recorded.",
    )
    return Part(card, partial(_inputs, file), partial(_read, file), __file__)


parts = {name: _part(name) for name in SETS}
