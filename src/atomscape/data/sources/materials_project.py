"""Materials Project crystals with formation energies, band gaps and distances to the hull.

Two layouts are read:

- ``mp.npz``: packed arrays ``material_id n_atoms lengths_angles z frac`` with the labels ``mp20_*`` (database
  of 2021, at most 20 atoms, near the hull) and ``mp2018_*`` (database of June 2018);
- ``train.csv val.csv test.csv``: the MP-20 set as published with CDVAE (45,231 crystals as CIF text). It
  needs no key, unlike the database itself.
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
from atomscape.data.packed import cells_from_parameters, packed_batches
from atomscape.data.source import first_layout

PACKED = "mp.npz"
PACKED_LABELS = {
    "mp20_e_form": "formation_energy",
    "mp20_band_gap": "gap",
    "mp20_e_hull": "energy_above_hull",
    "mp2018_e_form": "formation_energy_2018",
    "mp2018_gap": "gap_2018",
}
CSV_LABELS = {
    "formation_energy_per_atom": "formation_energy",
    "band_gap": "gap",
    "e_above_hull": "energy_above_hull",
}

card = Card(
    name="materials_project",
    title="Materials Project",
    description="Inorganic crystals. formation_energy, gap and energy_above_hull are those of the MP-20 set; "
    "formation_energy_2018 and gap_2018 (packed layout only) those of the 2018.6.1 database. In the packed "
    "layout structures are of the 2025 database, so that labels and geometries differ by small relaxations: "
    "good for learning and maps, not for an official MP-20 or MatBench score.",
    licence="CC-BY-4.0",
    citation="A. Jain et al., APL Mater. 1, 011002 (2013); T. Xie et al., CDVAE, arXiv:2110.06197; "
    "C. Chen et al., MEGNet, Chem. Mater. 31, 3564 (2019)",
    level_of_theory="PBE and PBE+U with Materials Project corrections",
    url="https://materialsproject.org",
    properties=records(
        "formation_energy",
        "gap",
        "energy_above_hull",
        free_property("formation_energy_2018", "structure", "eV/atom"),
        free_property("gap_2018", "structure", "eV"),
    ),
    files=cdvae.published("mp_20"),
    verified="packed layout: on the file itself; CSV layout: on 1,309 original rows, never on the whole "
    "download. The publisher states no checksum: the first download is recorded.",
)


def inputs(folder: Path) -> list[Path]:
    """Files that ``read`` will use: the packed one, else the three CSV files."""
    return first_layout(folder, [PACKED], cdvae.FILES)


def read(folder: Path) -> Iterator[Structures]:
    """Crystals with labels, NaN where one has none; ids are Materials Project ids."""
    paths = inputs(folder)
    return _read_packed(paths[0]) if paths[0].name == PACKED else itertools.chain(*map(read_csv, paths))


def splits(folder: Path) -> Mapping[str, np.ndarray]:
    """Packed: ``mp20`` (crystals with MP-20 labels) and ``mp2018_train|val|test``; CSV: train, val, test."""
    paths = inputs(folder)
    if paths[0].name != PACKED:
        return cdvae.splits_of(paths)
    with np.load(paths[0]) as file:
        labelled, part = np.isfinite(file["mp20_e_form"]), file["mp2018_split"]
    return {"mp20": np.flatnonzero(labelled)} | {
        f"mp2018_{n}": np.flatnonzero(part == k) for k, n in enumerate(cdvae.PARTS)
    }


def read_csv(path: Path) -> Iterator[Structures]:
    """One CSV file of the published MP-20 set; raises as :func:`atomscape.data.cdvae.read_csv`."""
    return cdvae.read_csv(
        path, lambda row, _: {ours: float(row[theirs]) for theirs, ours in CSV_LABELS.items()}
    )


def _read_packed(path: Path) -> Iterator[Structures]:
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    counts = arrays["n_atoms"]
    cell = cells_from_parameters(arrays["lengths_angles"])
    positions = cdvae.cartesian(arrays["frac"].astype(np.float64), counts, cell)
    labels = {ours: arrays[theirs] for theirs, ours in PACKED_LABELS.items()}
    yield from packed_batches(counts, arrays["z"], positions, cell, labels, arrays["material_id"].tolist())
