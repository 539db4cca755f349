"""perov-5: all 18,928 cubic perovskites ABX₃ of Castelli's screening, with CDVAE's split.

Layouts: CDVAE's ``train.csv val.csv test.csv``, or packed lines of JSON, ``perov_5.jsonl.gz``. Heats are
published per cell of five atoms and kept per atom; gaps are GLLB-SC.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from atomscape.atoms.properties import free_property
from atomscape.atoms.structures import Structures
from atomscape.data import cdvae
from atomscape.data.card import Card, records
from atomscape.data.source import first_layout

PACKED = "perov_5.jsonl.gz"
PACKED_COLUMNS = ("e_form_matbench", "heat_all", "heat_ref", "ind_gap", "dir_gap")

card = Card(
    name="perov_5",
    title="perov-5",
    description="Relaxed cubic perovskites of 56 elements, five atoms each. heat_all is the heat of "
    "formation against the pool of all reference phases, heat_ref the second published heat, on which "
    "generators are usually conditioned. formation_energy is heat_all in the CSV layout. In the packed "
    "layout, which knows heat_all and heat_ref for val and test only, it is that of the MatBench task: equal "
    "for nine in ten, at most 0.124 eV/atom lower for the others.",
    licence="MIT",
    citation="I. E. Castelli et al., Energy Environ. Sci. 5, 5814 and 9034 (2012); T. Xie et al., CDVAE, "
    "arXiv:2110.06197",
    level_of_theory="RPBE; gaps GLLB-SC",
    url="https://github.com/txie-93/cdvae",
    properties=records(
        "formation_energy",
        free_property("heat_all", "structure", "eV/atom"),
        free_property("heat_ref", "structure", "eV/atom"),
        "gap",
        free_property("direct_gap", "structure", "eV"),
    ),
    n_structures=18_928,
    files=cdvae.published("perov_5"),
    verified="packed layout: on all crystals; CSV layout: on the published val and test sets",
)


def inputs(folder: Path) -> list[Path]:
    """Files that ``read`` will use: the three CSV files, else the packed one."""
    return first_layout(folder, cdvae.FILES, [PACKED])


def read(folder: Path) -> Iterator[Structures]:
    """Crystals with labels, NaN where one has none; ids are the publisher's."""
    paths = inputs(folder)
    if paths[0].name != PACKED:
        return itertools.chain.from_iterable(cdvae.read_csv(path, _csv_labels) for path in paths)
    return cdvae.read_lines(paths[0], _packed_labels)


def splits(folder: Path) -> Mapping[str, np.ndarray]:
    """CDVAE's train, val, test."""
    return cdvae.splits_of(inputs(folder))


def _csv_labels(row: Mapping[str, str], n: int) -> dict[str, float]:
    heats = {name: float(row[name]) / n for name in ("heat_all", "heat_ref")}
    gaps = {"gap": float(row["ind_gap"]), "direct_gap": float(row["dir_gap"])}
    return {"formation_energy": heats["heat_all"], **heats, **gaps}


def _packed_labels(row: Mapping, n: int) -> dict[str, float]:
    known = {key: np.nan if row[key] is None else float(row[key]) for key in PACKED_COLUMNS}
    return {
        "formation_energy": known["e_form_matbench"] / n,
        "heat_all": known["heat_all"] / n,
        "heat_ref": known["heat_ref"] / n,
        "gap": known["ind_gap"],
        "direct_gap": known["dir_gap"],
    }
