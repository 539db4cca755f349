"""Materials Project crystals with formation energies, band gaps and distances to the hull.

Layout read: ``mp.npz``, packed arrays ``material_id n_atoms lengths_angles z frac`` and the labels ``mp20_*``
(2021 database, crystals of at most 20 atoms near the hull) and ``mp2018_*`` (database of June 2018).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from atomscape.atoms.properties import free_property
from atomscape.atoms.structures import Structures
from atomscape.data.card import Card
from atomscape.data.packed import cells_from_parameters, packed_batches

PACKED = "mp.npz"
LABEL_OF = {
    "mp20_e_form": "formation_energy",
    "mp20_band_gap": "gap",
    "mp20_e_hull": "energy_above_hull",
    "mp2018_e_form": "formation_energy_2018",
    "mp2018_gap": "gap_2018",
}

card = Card(
    name="materials_project",
    title="Materials Project",
    description="Inorganic crystals. formation_energy, gap and energy_above_hull are those of the MP-20 set; "
    "formation_energy_2018 and gap_2018 those of the 2018.6.1 database. Structures are of the 2025 database, so "
    "labels and geometries differ by small relaxations: not for an official MP-20 or MatBench score.",
    licence="CC-BY-4.0",
    citation="A. Jain et al., APL Mater. 1, 011002 (2013); T. Xie et al., CDVAE, arXiv:2110.06197; "
    "C. Chen et al., MEGNet, Chem. Mater. 31, 3564 (2019)",
    level_of_theory="PBE and PBE+U with Materials Project corrections",
    url="https://materialsproject.org",
    properties=(
        "formation_energy",
        "gap",
        "energy_above_hull",
        free_property("formation_energy_2018", "structure", "eV/atom"),
        free_property("gap_2018", "structure", "eV"),
    ),  # pyright: ignore[reportArgumentType]
)


def inputs(folder: Path) -> list[Path]:
    """Files that ``read`` will use."""
    packed = folder / PACKED
    return [packed] if packed.is_file() else []


def read(folder: Path) -> Iterator[Structures]:
    """Crystals with labels, NaN where one has none; ids are Materials Project ids."""
    with np.load(folder / PACKED) as file:
        arrays = {name: file[name] for name in file.files}
    counts = arrays["n_atoms"]
    cell = cells_from_parameters(arrays["lengths_angles"])
    of_atom = np.repeat(np.arange(len(counts)), counts)
    positions = np.einsum("ai,aij->aj", arrays["frac"].astype(np.float64), cell[of_atom])
    labels = {ours: arrays[theirs] for theirs, ours in LABEL_OF.items()}
    yield from packed_batches(counts, arrays["z"], positions, cell, labels, arrays["material_id"].tolist())


def splits(folder: Path) -> Mapping[str, np.ndarray]:
    """``mp20``: crystals with MP-20 labels; ``mp2018_train|val|test``: the split of the 2018 labels."""
    with np.load(folder / PACKED) as file:
        labelled, part = np.isfinite(file["mp20_e_form"]), file["mp2018_split"]
    found = {f"mp2018_{name}": np.flatnonzero(part == k) for k, name in enumerate(("train", "val", "test"))}
    return {"mp20": np.flatnonzero(labelled), **found}
