"""OC20: relaxations of adsorbates on surfaces, and its three tasks.

- ``s2ef``: every frame with energy and forces. Layouts: the published ``s2ef_train_200K.tar`` (or another
  split's, or a folder unpacked from one); LMDB files ``…/SIZE/SPLIT/data.NNNN.lmdb``, those published for the
  tests and those that the publisher's scripts make; or ``random*.extxyz.gz``, one whole relaxation each;
- ``is2re``: first frames with the energy after relaxation; ``is2rs``: first frames with the way each atom
  goes. Layouts: ``…/SIZE/SPLIT/data.lmdb``, unpacked from ``is2res_train_val_test_lmdbs.tar.gz``; or
  ``random*.extxyz.gz``;
- ``c3h8_cu``: a relaxation of propane on copper with a toy potential (``toy_c3h8_relax.extxyz.gz``);
- ``oxides``: energies of oxides of rutile-forming metals in several structures over volume (``oxides.db``).
"""

from __future__ import annotations

import gzip
import itertools
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms

from atomscape.atoms.ase import from_ase
from atomscape.atoms.labels import LabelMap
from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, FileRecord, records
from atomscape.data.files import read_frames
from atomscape.data.known_columns import column, read_columns
from atomscape.data.open_catalyst import (
    FRAMES,
    RELAXATIONS,
    first_frames,
    frames,
    shortest,
    split_files,
    split_rows,
)
from atomscape.data.rows import Row, batched
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

S2EF = ("energy", "forces", "fixed", "tags", "adsorption_energy")
IS2RE = (*S2EF, "relaxed_energy", "relaxed_adsorption_energy")
IS2RS = (*S2EF, "displacements")
"""Labels of the three tasks: total energies from trajectories, those of adsorption from published files."""


def _tars(folder: Path) -> list[Path]:
    """The published tar file, that of another split, or the files of a folder unpacked from one."""
    tars = sorted(folder.glob("s2ef_*.tar"))
    return first_layout(folder, [TAR]) or tars[:1] or sorted(folder.rglob("*.extxyz.xz"))


def _relaxations(folder: Path) -> list[Path]:
    return sorted(folder.glob("random*.extxyz.gz"))


def _lmdbs(folder: Path, name: str) -> list[Path]:
    return [path for paths in split_files(folder, name).values() for path in paths]


def _s2ef_inputs(folder: Path) -> list[Path]:
    return _tars(folder) or _lmdbs(folder, FRAMES) or _relaxations(folder)


def _task_inputs(folder: Path) -> list[Path]:
    return _lmdbs(folder, RELAXATIONS) or _relaxations(folder)


def _s2ef_splits(folder: Path) -> Mapping[str, np.ndarray]:
    """Splits of LMDB files; the other layouts are of one split each, which they do not name."""
    return {} if _tars(folder) else split_rows(split_files(folder, FRAMES))


def _task_splits(folder: Path) -> Mapping[str, np.ndarray]:
    return split_rows(split_files(folder, RELAXATIONS))


def _rows_of(
    paths: list[Path], rows: Callable[[Path], Iterator[Row]], labels: tuple[str, ...]
) -> Iterator[Structures]:
    yield from batched(itertools.chain.from_iterable(map(rows, paths)), records(*labels), BATCH)


def _s2ef(folder: Path) -> Iterator[Structures]:
    """Frames, ids ``<system>/<frame>``."""
    paths = _s2ef_inputs(folder)
    if paths[0].suffix == ".lmdb":
        yield from _rows_of(paths, frames, S2EF)
        return
    if paths[0].suffix == ".gz":
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
    if paths := _lmdbs(folder, RELAXATIONS):
        yield from _rows_of(paths, first_frames, IS2RE)
        return
    firsts = (a.with_labels(relaxed_energy=b.labels["energy"]) for a, b in _ends(folder))
    yield from _batches(firsts)


def _is2rs(folder: Path) -> Iterator[Structures]:
    """First frames, with the displacement of each atom to where it is after relaxation."""
    if paths := _lmdbs(folder, RELAXATIONS):
        yield from _rows_of(paths, first_frames, IS2RS)
        return
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
    return shortest(end.positions - start.positions, start.cell[0])


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
_HAND_MADE = "LMDB files: on hand-made ones in the publisher's form, never on a whole download"
_SLABS = (
    "energy is the total energy of the calculation, forces are those before constraints are applied. fixed "
    "is 1 for atoms held in place. tags tell slab, surface and adsorbate where a file has them, else NaN. "
)
_REFERENCED = (
    "adsorption_energy is the label of the benchmark: total energy minus that of the relaxed slab and of the "
    "free adsorbate, made up of N2, H2O, CO and H2."
)
_PICKLES = (
    "LMDB files hold positions in single precision, in pickles; they are read by a machine that builds "
    "numbers and calls nothing, so no trust is asked for. "
)
_UNPACKED = (
    "LMDB files know energies by their adsorption only, relaxations only totals. Download and unpack "
    f"{_SITE}/is2res_train_val_test_lmdbs.tar.gz (8.1 GB, 97 GB unpacked) yourself; the largest training set "
    "and all other sets found are read, and are the splits; those for testing have no labels. "
)

parts: dict[str, Part] = {
    "s2ef": Part(
        _card(
            "s2ef",
            "OC20 S2EF",
            "Structure to energy and forces: frames of relaxations of adsorbates on surfaces. Ids are "
            f"'<system>/<frame>'. {_SLABS}{_REFERENCED} Published files have it, whole relaxations do not. "
            "LMDB files have no total energy: their y is that of adsorption if they were made as documented, "
            f"with the option ref-energy; files of total energies are refused. {_PICKLES}The download is the "
            "training set of 200,000 frames.",
            S2EF,
            f"whole relaxations: {_LOCAL}; published tar files and folders: on hand-made ones around real "
            f"frames, never on a whole download; {_HAND_MADE}",
            files={TAR: _TAR_FILE},
        ),
        _s2ef_inputs,
        _s2ef,
        __file__,
        _s2ef_splits,
    ),
    "is2re": Part(
        _card(
            "is2re",
            "OC20 IS2RE",
            f"Initial structure to relaxed energy: first frames of relaxations. {_SLABS}relaxed_energy is "
            f"the total energy of the last frame. {_REFERENCED} relaxed_adsorption_energy is the same of the "
            f"last frame. {_UNPACKED}{_PICKLES}".rstrip(),
            IS2RE,
            f"{_LOCAL}, their last frames against the list of relaxed energies that lies beside them; "
            f"{_HAND_MADE}",
        ),
        _task_inputs,
        _is2re,
        __file__,
        _task_splits,
    ),
    "is2rs": Part(
        _card(
            "is2rs",
            "OC20 IS2RS",
            f"Initial structure to relaxed structure: first frames of relaxations. {_SLABS}displacements is "
            "the way of each atom to where it is in the last frame, the shortest among periodic images. "
            f"{_REFERENCED} {_UNPACKED}{_PICKLES}".rstrip(),
            IS2RS,
            f"{_LOCAL}; {_HAND_MADE}",
        ),
        _task_inputs,
        _is2rs,
        __file__,
        _task_splits,
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
