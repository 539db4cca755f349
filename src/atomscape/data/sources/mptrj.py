"""MPtrj: frames of the Materials Project's relaxations with energies, forces, stresses, magnetic moments.

Layouts:

- ``MPtrj_2022.9_full.json`` as published: material → frame → record, 1.58 million frames in 11 GB, read one
  material at a time. Stresses there are VASP's (kbar, positive under compression);
- ``mptrj-random-1k.xyz.gz``: a thousand frames as extended XYZ in eV, eV/Å and eV/Å³ (tension positive).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, FileRecord, records
from atomscape.data.json_stream import json_entries
from atomscape.data.known_columns import column, read_columns
from atomscape.data.pymatgen_json import read_structure
from atomscape.data.source import first_layout, no_splits
from atomscape.units import KBAR

JSON, SAMPLE = "MPtrj_2022.9_full.json", "mptrj-random-1k.xyz.gz"
BATCH = 512

card = Card(
    name="mptrj",
    title="MPtrj",
    description="Frames of static calculations and relaxations of inorganic crystals. Ids are "
    "'<material>/<frame>', so that the frames of a material stay together. energy is the total energy as "
    "VASP gives it, consistent with forces and stress; MP2020 corrections for mixing GGA and GGA+U are not "
    "in it. Magnetic moments are NaN where they were not computed.",
    licence="CC-BY-4.0",
    citation="B. Deng et al., Nat. Mach. Intell. 5, 1031 (2023); A. Jain et al., APL Mater. 1, 011002 (2013)",
    level_of_theory="PBE and PBE+U with Materials Project settings",
    url="https://figshare.com/articles/dataset/Materials_Project_Trjectory_MPtrj_Dataset/23713842",
    properties=records("energy", "forces", "stress", "magnetic_moments"),
    files={JSON: FileRecord(url="https://figshare.com/ndownloader/files/41619375")},
    folders=("mptrj", "mattersim_benchmarks"),
    verified="sample: on the file of 1,000 frames, which has no magnetic moments; published JSON: on "
    "hand-made records with its keys, and memory on a large file made of them; never on the whole download",
)
splits = no_splits


def inputs(folder: Path) -> list[Path]:
    """The published file, else the sample."""
    return first_layout(folder, [JSON], [SAMPLE])


def read(folder: Path) -> Iterator[Structures]:
    """Frames in the order of the file."""
    path = inputs(folder)[0]
    return read_json(path) if path.name == JSON else _read_sample(path)


def read_json(path: Path, size: int = BATCH) -> Iterator[Structures]:
    """Frames of the published file, at least ``size`` in a batch: materials are not cut.

    Raises
    ------
    ValueError
        The file is incomplete, or a record lacks something; the message names the frame.
    """
    frames: list[Structures] = []
    for material, records_ in json_entries(path):
        for name, record in records_.items():
            try:
                frames.append(_frame(record, f"{material}/{name}"))
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"{path}, {material}, {name}: {type(error).__name__}: {error}") from error
        if len(frames) >= size:
            yield Structures.concatenate(frames)
            frames = []
    if frames:
        yield Structures.concatenate(frames)


def _frame(record: Mapping[str, Any], id: str) -> Structures:
    numbers, positions, cell = read_structure(record["structure"])
    moments = record.get("magmom")
    return Structures.of(
        positions,
        numbers,
        cell,
        labels={
            "energy": record["uncorrected_total_energy"],
            "forces": np.array(record["force"], dtype=np.float64),
            "stress": -KBAR * np.array(record["stress"], dtype=np.float64),
            "magnetic_moments": np.full(len(numbers), np.nan) if moments is None else moments,
        },
        id=id,
    )


def _read_sample(path: Path) -> Iterator[Structures]:
    columns = (column("energy"), column("forces"), column("stress"))
    return read_columns(path, columns, _name)


def _name(k: int, image: Atoms) -> str:
    return f"{image.info['mptrj_traj_id']}/{image.info['mptrj_snapshot_id']}"
