"""OC20: relaxations of adsorbates on surfaces, and its three tasks.

- ``s2ef``: every frame with energy and forces. Layouts: the published ``s2ef_train_200K.tar`` (or another
  split's, or a folder unpacked from one), or ``random*.extxyz.gz``, one whole relaxation each;
- ``is2re``: first frames with the energy after relaxation; ``is2rs``: first frames with the way each atom
  goes. Layout: ``random*.extxyz.gz``;
- ``c3h8_cu``: a relaxation of propane on copper with a toy potential (``toy_c3h8_relax.extxyz.gz``);
- ``oxides``: energies of oxides of rutile-forming metals in several structures over volume (``oxides.db``).
"""

from __future__ import annotations

import gzip
import itertools
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from ase import Atoms

from atomscape.atoms.ase import from_ase
from atomscape.atoms.labels import LabelMap
from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, FileRecord, records
from atomscape.data.files import read_frames
from atomscape.data.known_columns import column, read_columns
from atomscape.data.s2ef import (
    frame_texts,
    marks_to_columns,
    parsed_frame,
    read_pair,
    s2ef_pairs,
    tags_to_column,
)
from atomscape.data.source import Part, first_layout

TAR = "s2ef_train_200K.tar"
TOY, OXIDES = "toy_c3h8_relax.extxyz.gz", "oxides.db"
BATCH = 256
_STATED = "https://facebookresearch.github.io/fairchem/oc20"
_SITE = "https://dl.fbaipublicfiles.com/opencatalystproject/data"

LABELS = (column("energy"), column("forces"), column("fixed"), column("tags", "surface_tags"))
PUBLISHED = (*LABELS, column("adsorption_energy"))


def _tars(folder: Path) -> list[Path]:
    """The published tar file, that of another split, or the files of a folder unpacked from one."""
    tars = sorted(folder.glob("s2ef_*.tar"))
    return first_layout(folder, [TAR]) or tars[:1] or sorted(folder.rglob("*.extxyz.xz"))


def _relaxations(folder: Path) -> list[Path]:
    return sorted(folder.glob("random*.extxyz.gz"))


def _s2ef_inputs(folder: Path) -> list[Path]:
    return _tars(folder) or _relaxations(folder)


def _s2ef(folder: Path) -> Iterator[Structures]:
    """Frames, ids ``<system>/<frame>``."""
    paths = _s2ef_inputs(folder)
    if paths[0].name.endswith(".gz"):
        for path in paths:
            yield from read_columns(path, LABELS, _frame_id, tags_to_column)
        return
    for pair in s2ef_pairs(paths[0] if paths[0].suffix == ".tar" else folder):
        yield from read_pair(*pair, PUBLISHED, BATCH)


def _frame_id(k: int, image: Atoms) -> str:
    return f"{image.info['sid']}/{image.info['fid']}"


def _ends(folder: Path) -> Iterator[tuple[Structures, Structures]]:
    """First and last frame of each relaxation; those between are not parsed."""
    for path in _relaxations(folder):
        with gzip.open(path, "rt") as text:
            texts = frame_texts(text)
            first = next(texts)
            last = deque(texts, maxlen=1)
        images = [parsed_frame(first), *map(parsed_frame, last or [first])]
        for image in images:
            tags_to_column(image)
            image.info["id"] = _frame_id(0, image)
        ends = from_ase(images, LabelMap(LABELS, len(images)))
        yield ends[0], ends[1]


def _is2re(folder: Path) -> Iterator[Structures]:
    """First frames, with their energy and the one after relaxation."""
    firsts = (a.with_labels(relaxed_energy=b.labels["energy"]) for a, b in _ends(folder))
    yield from _batches(firsts)


def _is2rs(folder: Path) -> Iterator[Structures]:
    """First frames, with the displacement of each atom to where it is after relaxation."""
    yield from _batches(a.with_labels(displacements=displacements(a, b)) for a, b in _ends(folder))


def displacements(start: Structures, end: Structures) -> torch.Tensor:
    """Shortest way of each atom from one structure to the other [atoms, 3], in Å, across faces of the cell.

    Raises
    ------
    ValueError
        The structures have different atoms or cells.
    """
    if not torch.equal(start.numbers, end.numbers) or not torch.equal(start.cell, end.cell):
        raise ValueError(f"{start.ids} and {end.ids} have different atoms or cells")
    fractions = torch.linalg.solve(start.cell[0], end.positions - start.positions, left=False)
    return (fractions - fractions.round()) @ start.cell[0]


def _batches(structures: Iterator[Structures]) -> Iterator[Structures]:
    while batch := list(itertools.islice(structures, BATCH)):
        yield Structures.concatenate(batch)


def _toy_inputs(folder: Path) -> list[Path]:
    return first_layout(folder, [TOY])


def _toy(folder: Path) -> Iterator[Structures]:
    yield from read_columns(folder / TOY, LABELS, lambda k, _: f"c3h8_cu/{k}", marks_to_columns)


def _oxide_inputs(folder: Path) -> list[Path]:
    return first_layout(folder, [OXIDES])


def _oxides(folder: Path) -> Iterator[Structures]:
    """Rows of the database; a curve begins where the composition changes or the volume falls."""
    columns = (column("energy"), column("forces"))
    names = _curve_names([(a.get_chemical_formula(), a.get_volume()) for a in read_frames(folder / OXIDES)])
    yield from read_columns(folder / OXIDES, columns, lambda k, _: names[k])


def _curve_names(rows: list[tuple[str, float]]) -> list[str]:
    names, curve, before = [], -1, ("", 0.0)
    for k, row in enumerate(rows):
        if row[0] != before[0] or row[1] < before[1]:
            curve, first = curve + 1, k
        names.append(f"{row[0]}-{curve}/{k - first}")
        before = row
    return names


def _card(
    part: str, title: str, description: str, properties: tuple[str, ...], verified: str, **more: Any
) -> Card:
    stated = {
        "licence": "CC-BY-4.0",
        "url": "https://opencatalystproject.org",
        "level_of_theory": "RPBE, VASP",
    }
    return Card(
        name=f"oc20:{part}",
        title=title,
        description=description,
        citation="L. Chanussot et al., ACS Catal. 11, 6059 (2021)",
        properties=records(*properties),
        folders=("oc20",),
        verified=verified,
        **{**stated, **more},
    )


_REPOSITORY = "https://github.com/FAIR-Chem/fairchem"
_TAR_FILE = FileRecord(url=f"{_SITE}/{TAR}", md5="f8d0909c2623a393148435dede7d3a46", stated_at=_STATED)
_LOCAL = "on 24 relaxations of 4,215 frames"
_SLABS = (
    "energy is the total energy of the calculation, forces are those before constraints are applied. fixed "
    "is 1 for atoms held in place. tags tell slab, surface and adsorbate where a file has them, else NaN. "
)

parts: dict[str, Part] = {
    "s2ef": Part(
        _card(
            "s2ef",
            "OC20 S2EF",
            "Structure to energy and forces: frames of relaxations of adsorbates on surfaces. Ids are "
            f"'<system>/<frame>'. {_SLABS}adsorption_energy is the label of the benchmark: total energy "
            "minus that of slab and free adsorbate; only published files have it. The download is the "
            "training set of 200,000 frames.",
            ("energy", "forces", "fixed", "tags", "adsorption_energy"),
            f"whole relaxations: {_LOCAL}; published tar files and folders: on hand-made ones around real "
            "frames, never on a whole download",
            files={TAR: _TAR_FILE},
        ),
        _s2ef_inputs,
        _s2ef,
        __file__,
    ),
    "is2re": Part(
        _card(
            "is2re",
            "OC20 IS2RE",
            f"Initial structure to relaxed energy: first frames of relaxations. {_SLABS}relaxed_energy is "
            "the total energy of the last frame, not referenced to slab and adsorbate.",
            ("energy", "forces", "fixed", "tags", "relaxed_energy"),
            f"{_LOCAL}, their last frames against the list of relaxed energies that lies beside them",
        ),
        _relaxations,
        _is2re,
        __file__,
    ),
    "is2rs": Part(
        _card(
            "is2rs",
            "OC20 IS2RS",
            f"Initial structure to relaxed structure: first frames of relaxations. {_SLABS}displacements is "
            "the way of each atom to where it is in the last frame, the shortest among periodic images.",
            ("energy", "forces", "fixed", "tags", "displacements"),
            _LOCAL,
        ),
        _relaxations,
        _is2rs,
        __file__,
    ),
    "c3h8_cu": Part(
        _card(
            "c3h8_cu",
            "Propane on copper",
            "A relaxation of C3H8 on Cu(100) with a fast potential: a toy to try code on, in the form of "
            "OC20. tags and fixed are given.",
            ("energy", "forces", "fixed", "tags"),
            "on the file itself, 101 frames",
            licence="MIT",
            level_of_theory="EMT (effective-medium theory), not quantum chemistry",
            url=_REPOSITORY,
        ),
        _toy_inputs,
        _toy,
        __file__,
    ),
    "oxides": Part(
        _card(
            "oxides",
            "Oxides over volume",
            "MO2 oxides in several structure types, each at about ten volumes with the shape of the cell "
            "and the atoms relaxed: equations of state. Ids are '<formula>-<curve>/<k>', a curve to a group.",
            ("energy", "forces"),
            "on the file itself, 295 rows",
            licence="MIT",
            level_of_theory="DFT, not stated in the file",
            url=_REPOSITORY,
        ),
        _oxide_inputs,
        _oxides,
        __file__,
    ),
}
