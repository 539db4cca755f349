"""Nb–Mo–Ta–W: elements, binary solid solutions and alloys (Li 2020): energies, forces, stresses.

Layouts: the repository's ``<group>.json`` (28 groups and the multinary ones), or the elements' and binaries'
training groups as ``<group>.extxyz.gz``. Energies in eV, forces in eV/Å; stresses in kbar, positive under
compression, in VASP's order xx yy zz xy yz xz: for each kind of group the crystals' own operations (or, for
dynamics, a pair potential fitted to the forces) leave no other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from ase import Atoms

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, FileRecord, records
from atomscape.data.kbar import stress_from_kbar
from atomscape.data.known_columns import column, count_frames, numbered, read_columns
from atomscape.data.pymatgen_json import read_structure
from atomscape.data.source import first_layout

_ROOT = "https://raw.githubusercontent.com/materialsvirtuallab/snap/master/NbMoTaW/training"
ELEMENTS, BINARIES = ("Mo", "Nb", "Ta", "W"), ("MoTa", "MoW", "NbMo", "NbTa", "NbW", "TaW")
TRAINING = (
    *(f"{element}_{kind}" for element in ELEMENTS for kind in ("AIMD", "Elastic", "Surface")),
    *(f"{pair}_SS" for pair in BINARIES),
)
OTHERS = ("Multinary_SQS", *(f"{group}_Test" for group in (*ELEMENTS, *BINARIES, "Multinary")))
FILES = [f"{group}.json" for group in (*TRAINING, *OTHERS)]
ORDER = "xx yy zz xy yz xz"

card = Card(
    name="nbmotaw",
    title="Nb–Mo–Ta–W",
    description="Molecular dynamics, strained cells and surfaces of four refractory metals, solid solutions "
    "of every pair, and special quasi-random alloys of all four. Each group is a split of its name; train "
    "and test hold those of the paper.",
    licence="BSD-3-Clause",
    citation="X.-G. Li et al., npj Comput. Mater. 6, 70 (2020)",
    level_of_theory="PBE, VASP",
    url="https://github.com/materialsvirtuallab/snap",
    properties=records("energy", "forces", "stress"),
    files={file: FileRecord(url=f"{_ROOT}/{file}") for file in FILES},
    verified="packed layout: on all training groups of elements and pairs; the repository's JSON: on "
    "hand-made files around its records",
)


def inputs(folder: Path) -> list[Path]:
    """Files that ``read`` will use: all of the repository's, else the packed training groups."""
    return first_layout(folder, FILES, [f"{group}.extxyz.gz" for group in TRAINING])


def read(folder: Path) -> Iterator[Structures]:
    """Frames of all groups; ids are ``Mo_AIMD/0`` …"""
    for path in inputs(folder):
        group = path.name.split(".")[0]
        if path.suffix == ".gz":
            columns = (column("energy"), column("forces"), column("stress", "tensor", place="info"))
            yield from read_columns(path, columns, numbered(group), _stress)
        else:
            frames = Structures.concatenate(_frame(record) for record in json.loads(path.read_text()))
            yield replace(frames, ids=tuple(f"{group}/{k}" for k in range(len(frames))))


def splits(folder: Path) -> Mapping[str, np.ndarray]:
    """Each group under its name; ``train`` and, where its files are there, ``test``."""
    paths = inputs(folder)
    groups = [path.name.split(".")[0] for path in paths]
    ends = np.cumsum([0] + [_count(path) for path in paths])
    rows = {group: np.arange(ends[k], ends[k + 1]) for k, group in enumerate(groups)}
    halves = {
        "train": [r for group, r in rows.items() if not group.endswith("_Test")],
        "test": [r for group, r in rows.items() if group.endswith("_Test")],
    }
    return {half: np.concatenate(parts) for half, parts in halves.items() if parts} | rows


def _count(path: Path) -> int:
    return count_frames(path) if path.suffix == ".gz" else len(json.loads(path.read_text()))


def _stress(image: Atoms) -> None:
    image.info["tensor"] = stress_from_kbar(image.info["virial_stress"], ORDER)


def _frame(record: Mapping) -> Structures:
    numbers, positions, cell = read_structure(record["structure"])
    outputs = record["outputs"]
    labels = {
        "energy": outputs["energy"],
        "forces": outputs["forces"],
        "stress": stress_from_kbar(outputs["stress"], ORDER),
    }
    return Structures.of(positions, numbers, cell, True, labels)
