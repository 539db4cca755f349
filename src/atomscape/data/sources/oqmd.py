"""OQMD, the Open Quantum Materials Database: formation energies and band gaps of inorganic crystals.

Two layouts are read:

- ``pages/``: answers of its OPTIMADE service, asked by ``atomscape data get oqmd --limit 10000``;
- ``oqmd.jsonl.gz``: rows of the Open MatSciML development set, whose ``cart_coords`` are fractional.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, records
from atomscape.data.json_lines import json_lines
from atomscape.data.optimade import optimade, optimade_rows
from atomscape.data.pages import Asking, Query, Service, collect, entries_of, page_files
from atomscape.data.rows import Row, batched
from atomscape.data.source import first_layout, no_splits

BASE = "https://oqmd.org/optimade/v1"
FILE = "oqmd.jsonl.gz"
LABELS = {"delta_e": "formation_energy", "stability": "energy_above_hull", "band_gap": "gap"}

card = Card(
    name="oqmd",
    title="OQMD",
    description="Crystals from the ICSD and from prototypes, relaxed with VASP. energy_above_hull is OQMD's "
    "stability: the distance to its own hull, which may be below zero for a phase that the hull was built "
    'without. The service is asked in the language of OPTIMADE: --filter \'elements HAS ALL "Li","O"\'.',
    licence="CC-BY-4.0",
    citation="J. E. Saal, S. Kirklin, M. Aykol, B. Meredig, C. Wolverton, JOM 65, 1501 (2013); "
    "S. Kirklin et al., npj Comput. Mater. 1, 15010 (2015)",
    level_of_theory="PBE and PBE+U with OQMD's settings, fitted elemental references",
    url="https://oqmd.org",
    properties=records(*LABELS.values()),
    folders=("oqmd", "matsciml_devsets"),
    verified="development set: on the file itself, read as fractional (cells agree with the volumes stated); "
    "service: on hand-made answers in the form of the OPTIMADE specification, never on the service itself",
)
splits = no_splits


def service() -> Service:
    """OQMD's OPTIMADE service."""
    return optimade(BASE, [f"_oqmd_{name}" for name in LABELS], whole=False)


def download(folder: Path, query: Query, asking: Asking) -> None:
    """Ask for entries that match a filter of OPTIMADE."""
    collect(folder, service(), query, asking)


def inputs(folder: Path) -> list[Path]:
    """Files that ``read`` will use: answers of the service, else the development set."""
    return page_files(folder) or first_layout(folder, [FILE])


def read(folder: Path) -> Iterator[Structures]:
    """Crystals in batches; ids are OQMD's (of entries in the development set)."""
    paths = inputs(folder)
    if paths[0].name == FILE:
        rows = map(_row, json_lines(paths[0]))
    else:
        rows = optimade_rows(entries_of(folder, service().entries), _labels)
    return batched(rows, card.properties)


def _labels(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {ours: attributes.get(f"_oqmd_{theirs}") for theirs, ours in LABELS.items()}


def _row(line: Mapping[str, Any]) -> Row:
    cell = np.array(line["cell"])
    labels = {ours: line[theirs] for theirs, ours in LABELS.items()}
    positions = np.array(line["cart_coords"]) @ cell
    return Row(f"oqmd-{line['entry_id']}", line["atomic_numbers"], positions, cell, labels)
