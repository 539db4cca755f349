"""Carolina Materials Database: cubic and other crystals made by generative networks and checked by DFT.

Read is ``carolina_db.jsonl.gz``, rows of the Open MatSciML development set. Its ``cart_coords`` are
fractional, and its cell parameters are texts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, records
from atomscape.data.json_lines import json_lines
from atomscape.data.packed import cells_from_parameters
from atomscape.data.rows import Row, batched
from atomscape.data.source import first_layout, no_splits

FILE = "carolina_db.jsonl.gz"
PARAMETERS = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")

card = Card(
    name="carolina",
    title="Carolina Materials Database",
    description="Hypothetical inorganic crystals of CubicGAN and its successors, relaxed by DFT. The file "
    "calls its label energy, without a unit; its values (-3.3 to 1.6 for cells of 15 to 32 atoms) are those "
    "of formation energies in eV per atom, and are read as such.",
    licence="CC-BY-4.0",
    citation="Y. Zhao, M. Al-Fahdi, M. Hu, E. M. D. Siriwardane, Y. Song, A. Nasiri, J. Hu, Adv. Sci. 8, "
    "2100566 (2021)",
    level_of_theory="PBE, VASP",
    url="http://www.carolinamatdb.org",
    properties=records("formation_energy"),
    folders=("carolina", "matsciml_devsets"),
    verified="development set of 100 crystals: on the file itself, read as fractional (nearest neighbours at "
    "1.7 Å and more, cells agree with the volumes stated)",
)
splits = no_splits


def inputs(folder: Path) -> list[Path]:
    """Files that ``read`` will use."""
    return first_layout(folder, [FILE])


def read(folder: Path) -> Iterator[Structures]:
    """Crystals in batches; ids are the names of the CIF files."""
    return batched(map(_row, json_lines(folder / FILE)), card.properties)


def _row(line: Mapping[str, Any]) -> Row:
    parameters = np.array([[float(line[f"_cell_{name}"]) for name in PARAMETERS]])
    cell = cells_from_parameters(parameters)[0]
    name = line["origin_file"].removesuffix(".cif")
    positions = np.array(line["cart_coords"]) @ cell
    labels = {"formation_energy": line["energy"]}
    return Row(f"carolina-{name}", line["atomic_numbers"], positions, cell, labels)
