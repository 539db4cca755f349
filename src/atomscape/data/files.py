"""Structures from files: anything ASE reads (``.gz`` too), one file or a folder of them.

Which columns become which labels follows ``atomscape.atoms.labels``, once for all structures; what was chosen
is kept on the card. Large files are read in passes, not held in memory as a whole.
"""

from __future__ import annotations

import gzip
import itertools
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import ase.io
from ase import Atoms
from ase.db import connect

from atomscape.atoms.ase import from_ase
from atomscape.atoms.columns import ID_KEYS
from atomscape.atoms.labels import LabelMap, label_map
from atomscape.atoms.structures import Structures

SUFFIXES = (
    ".cif",
    ".vasp",
    ".poscar",
    ".xyz",
    ".extxyz",
    ".res",
    ".traj",
    ".db",
    ".gen",
    ".xsf",
    ".pdb",
    ".in",
)
"""Files of a folder that are read; also POSCAR* and CONTCAR*, and all of them with ``.gz``."""

BATCH = 1024
KEPT = 128 * 2**20
"""Bytes of text up to which structures are kept in memory between passes (packed files count fivefold)."""


@dataclass(frozen=True)
class Reading:
    """How to read files: the arguments of ``label_map``, and whether to leave out what cannot be read."""

    keys: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    stress: Any = None
    skip_unreadable: bool = False


class Frames:
    """All structures of some files, in as many passes as wanted; ``skipped`` says what was left out and why.

    Small files are read once and kept, large ones are read anew in each pass.
    """

    def __init__(self, paths: Sequence[Path], skip_unreadable: bool = False, folder: Path | None = None):
        self.paths, self.skip, self.folder = list(paths), skip_unreadable, folder
        self.skipped: dict[Path, str] = {}
        self._kept: list[Atoms] | None = None

    def __iter__(self) -> Iterator[Atoms]:
        """Read file after file.

        Raises
        ------
        ValueError
            A file cannot be read (unless those are skipped); the message names it.
        """
        size = sum(p.stat().st_size * (5 if p.suffix == ".gz" else 1) for p in self.paths)
        if size > KEPT:
            return self._read()
        if self._kept is None:
            self._kept = list(self._read())
        return iter(self._kept)

    def _read(self) -> Iterator[Atoms]:
        for path in self.paths:
            if path in self.skipped:
                continue
            try:
                if self.folder is None:
                    yield from read_frames(path)
                else:
                    yield from self._named(path)
            except ValueError as error:
                if not self.skip:
                    hint = "" if len(self.paths) == 1 else "; skip_unreadable=True leaves such files out"
                    raise ValueError(f"{error}{hint}") from error
                self.skipped[path] = str(error)

    def __len__(self) -> int:
        """Return the number of structures; the first call reads all."""
        return self._length

    def __getitem__(self, index: int) -> Atoms:
        """Read up to one structure; iterate instead where more than one is needed."""
        return next(itertools.islice(self, range(len(self))[index], None))

    @cached_property
    def _length(self) -> int:
        return sum(1 for _ in self)

    def _named(self, path: Path) -> Iterator[Atoms]:
        """Structures of one file of a folder, all checked before the first is given, named after the file."""
        frames = list(read_frames(path))
        try:
            from_ase(frames, LabelMap((), len(frames)))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        name = _name_in(path, self.folder or path.parent)
        for k, frame in enumerate(frames):
            if not any(key in frame.info for key in ID_KEYS):
                frame.info["id"] = name if len(frames) == 1 else f"{name}:{k}"
            yield frame


Sequence.register(Frames)  # pyright: ignore[reportAttributeAccessIssue]


def read_frames(path: Path) -> Iterator[Atoms]:
    """Structures of one file, as ASE reads it.

    Raises
    ------
    ValueError
        The file is empty, or ASE cannot read it.
    """
    if path.is_file() and path.stat().st_size == 0:
        raise ValueError(f"{path} is empty")
    count = 0
    try:
        with warnings.catch_warnings(), _unpacked(path) as plain:
            warnings.simplefilter("ignore")
            for atoms in _rows(plain) if plain.suffix == ".db" else ase.io.iread(str(plain), index=":"):
                count += 1
                yield atoms
    except Exception as error:  # ASE's readers raise whatever their parsers do
        after = f" after {count} structures" if count else ""
        raise ValueError(f"{path} cannot be read{after} ({type(error).__name__}: {error})") from error
    if count == 0:
        raise ValueError(f"{path} holds no structures")


def _rows(path: Path) -> Iterator[Atoms]:
    """Rows of an ASE database with their own columns and units, which ``ase.io`` leaves behind."""
    database = connect(path)
    units = database.metadata.get("_property_unit_dict", {})
    stated = {f"{name}_unit": unit for name, unit in units.items() if isinstance(unit, str) and unit}
    for row in database.select():
        atoms = row.toatoms(add_additional_information=True)
        atoms.info |= stated
        yield atoms


@contextmanager
def _unpacked(path: Path) -> Iterator[Path]:
    """Give the file, decompressed if need be: ASE's readers jump about, slow in a compressed file."""
    if path.suffix != ".gz":
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / path.stem
        with gzip.open(path) as packed, plain.open("wb") as file:
            shutil.copyfileobj(packed, file)
        yield plain


def structure_files(path: Path) -> list[Path]:
    """Return the file itself, or the files of structures in a folder and below it, sorted.

    Raises
    ------
    ValueError
        The folder has none.
    """
    if path.is_file():
        return [path]
    found = sorted(p for p in path.rglob("*") if p.is_file() and _is_structure_file(p))
    if not found:
        raise ValueError(
            f"no files of structures in {path}; looked for POSCAR*, CONTCAR* and {', '.join(SUFFIXES)}"
        )
    return found


def read_files(frames: Frames, labels: LabelMap) -> Iterator[Structures]:
    """Batches of structures with labels.

    Raises
    ------
    ValueError
        A structure is ill-formed; the message says where.
    """
    images = iter(frames)
    for start in itertools.count(0, BATCH):
        batch = list(itertools.islice(images, BATCH))
        if not batch:
            return
        try:
            yield from_ase(batch, labels)
        except ValueError as error:
            where = ", ".join(str(p) for p in frames.paths[:1])
            counted = f", counted from structure {start}" if start else ""
            raise ValueError(f"{where}{counted}: {error}") from error


def labels_of(frames: Frames, reading: Reading) -> LabelMap:
    """Which columns of these structures become which labels."""
    if len(frames) == 0:
        raise ValueError(
            f"none of {len(frames.paths)} files can be read; the first: {next(iter(frames.skipped.values()))}"
        )
    return label_map(cast(Sequence[Atoms], frames), reading.keys, reading.units, reading.stress)


def _is_structure_file(path: Path) -> bool:
    name = path.name.removesuffix(".gz")
    return Path(name).suffix.lower() in SUFFIXES or name.startswith(("POSCAR", "CONTCAR"))


def _name_in(folder_file: Path, folder: Path) -> str:
    """``a/b.cif`` → ``a/b``; ``a/POSCAR`` → ``a``."""
    inside = folder_file.relative_to(folder)
    name = inside.name.removesuffix(".gz")
    if name in ("POSCAR", "CONTCAR") and inside.parent != Path("."):
        return str(inside.parent)
    return str(inside.with_name(Path(name).stem))
