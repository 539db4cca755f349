"""Materials Project crystals with formation energies, band gaps and distances to the hull.

Two layouts are read:

- ``mp.npz``: packed arrays ``material_id n_atoms lengths_angles z frac`` with the labels ``mp20_*`` (database
  of 2021, at most 20 atoms, near the hull) and ``mp2018_*`` (database of June 2018);
- ``train.csv val.csv test.csv``: the MP-20 set as published with CDVAE (45,231 crystals as CIF text). It
  needs no key, unlike the database itself.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from atomscape.atoms.properties import free_property
from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, FileRecord, records
from atomscape.data.cif import read_p1
from atomscape.data.packed import cells_from_parameters, packed_batches
from atomscape.data.source import first_layout

PACKED = "mp.npz"
PARTS = ("train", "val", "test")
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
_CDVAE = "https://raw.githubusercontent.com/txie-93/cdvae/main/data/mp_20"

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
    files={f"{part}.csv": FileRecord(url=f"{_CDVAE}/{part}.csv") for part in PARTS},
    verified="packed layout: on the file itself; CSV layout: on 1,309 original rows, never on the whole "
    "download. The publisher states no checksum: the first download is recorded.",
)


def inputs(folder: Path) -> list[Path]:
    """Files that ``read`` will use: the packed one, else the three CSV files."""
    return first_layout(folder, [PACKED], [f"{part}.csv" for part in PARTS])


def read(folder: Path) -> Iterator[Structures]:
    """Crystals with labels, NaN where one has none; ids are Materials Project ids."""
    paths = inputs(folder)
    return _read_packed(paths[0]) if paths[0].name == PACKED else itertools.chain(*map(read_csv, paths))


def splits(folder: Path) -> Mapping[str, np.ndarray]:
    """Packed: ``mp20`` (crystals with MP-20 labels) and ``mp2018_train|val|test``; CSV: train, val, test."""
    paths = inputs(folder)
    if paths[0].name != PACKED:
        ends = np.cumsum([0] + [sum(1 for _ in _rows(p)) for p in paths])
        return {part: np.arange(ends[k], ends[k + 1]) for k, part in enumerate(PARTS)}
    with np.load(paths[0]) as file:
        labelled, part = np.isfinite(file["mp20_e_form"]), file["mp2018_split"]
    return {"mp20": np.flatnonzero(labelled)} | {
        f"mp2018_{n}": np.flatnonzero(part == k) for k, n in enumerate(PARTS)
    }


def read_csv(path: Path, size: int = 4096) -> Iterator[Structures]:
    """One CSV file of the published MP-20 set, in batches of ``size`` crystals.

    Raises
    ------
    ValueError
        A row cannot be read; the message names the file and the crystal.
    """
    rows = _rows(path)
    while batch := list(itertools.islice(rows, size)):
        crystals = []
        for row in batch:
            try:
                crystals.append(read_p1(row["cif"]))
            except ValueError as error:
                raise ValueError(f"{path}, {row['material_id']}: {error}") from error
        counts = np.array([len(numbers) for numbers, _, _ in crystals])
        cell = cells_from_parameters(np.stack([parameters for _, _, parameters in crystals]))
        yield from packed_batches(
            counts,
            np.concatenate([numbers for numbers, _, _ in crystals]),
            _cartesian(np.concatenate([fractions for _, fractions, _ in crystals]), counts, cell),
            cell,
            {ours: np.array([float(row[theirs]) for row in batch]) for theirs, ours in CSV_LABELS.items()},
            [row["material_id"] for row in batch],
        )


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="") as file:
        yield from csv.DictReader(file)


def _read_packed(path: Path) -> Iterator[Structures]:
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    counts = arrays["n_atoms"]
    cell = cells_from_parameters(arrays["lengths_angles"])
    positions = _cartesian(arrays["frac"].astype(np.float64), counts, cell)
    labels = {ours: arrays[theirs] for theirs, ours in PACKED_LABELS.items()}
    yield from packed_batches(counts, arrays["z"], positions, cell, labels, arrays["material_id"].tolist())


def _cartesian(fractions: np.ndarray, counts: np.ndarray, cell: np.ndarray) -> np.ndarray:
    return np.einsum("ai,aij->aj", fractions, cell[np.repeat(np.arange(len(counts)), counts)])
