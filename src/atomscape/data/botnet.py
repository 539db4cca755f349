"""The data sets of the BOTNet paper: a molecule in several files, each a split, isolated atoms beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from ase import Atoms

from atomscape.atoms.labels import Label
from atomscape.atoms.structures import Structures
from atomscape.data.card import FileRecord
from atomscape.data.known_columns import column, count_frames, numbered, read_columns

_ROOT = "https://raw.githubusercontent.com/davkovacs/BOTNet-datasets/main"

ISOLATED = "isolated_atoms"
COLUMNS = (column("energy"), column("forces"))


def published(folder: str, files: Sequence[str]) -> dict[str, FileRecord]:
    """Records of files of the repository; no checksum is stated there."""
    return {file: FileRecord(url=f"{_ROOT}/{folder}/{file}") for file in files}


def read_sets(paths: Sequence[Path], columns: Sequence[Label] = COLUMNS) -> Iterator[Structures]:
    """Structures of all files; ids are ``<file>/<k>``, and ``isolated_atom`` marks those of ``iso…``."""
    for path in paths:
        alone = {"forces"} if set_of(path) == ISOLATED else ()
        yield from read_columns(path, columns, numbered(set_of(path)), _mark_isolated, alone)


def sets_of(paths: Sequence[Path]) -> Mapping[str, np.ndarray]:
    """Rows of each file, under the file's name."""
    ends = np.cumsum([0] + [count_frames(path) for path in paths])
    return {set_of(path): np.arange(ends[k], ends[k + 1]) for k, path in enumerate(paths)}


def set_of(path: Path) -> str:
    """``train_300K`` for ``train_300K.xyz.gz``; all files of isolated atoms are called ``isolated_atoms``."""
    name = path.name.split(".")[0]
    return ISOLATED if name.startswith("iso") else name


def _mark_isolated(image: Atoms) -> None:
    image.info.pop("config_type", None)
    if len(image) == 1:
        image.info["config_type"] = "IsolatedAtom"
