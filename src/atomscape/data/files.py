"""Structures from files: one file or a folder of them, each read by the format that recognises it.

Which columns become which labels follows ``atomscape.atoms.labels``, once for all structures; what was chosen
is kept on the card. Large files are read in passes, not held in memory as a whole.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import cast

from ase import Atoms

from atomscape.atoms.ase import from_ase
from atomscape.atoms.columns import ID_KEYS
from atomscape.atoms.labels import LabelMap, label_map
from atomscape.atoms.structures import Structures
from atomscape.data import ase_files
from atomscape.data.format import ROW, NotTrusted, Piece, format_of, read_by
from atomscape.data.reading import Reading
from atomscape.units import conversion_factor

BATCH = 1024
KEPT = 16 * 2**20
"""Bytes of text up to which structures are kept in memory between passes (packed files count fivefold)."""


class Frames:
    """All structures of some pieces, in as many passes as wanted; ``skipped`` says what was left out and why.

    Small files are read once and kept, large ones are read anew in each pass. ``tell`` hears of each
    structure of the first pass.
    """

    def __init__(self, pieces: Sequence[Piece], reading: Reading, tell: Callable[[int], None] | None = None):
        self.pieces, self.reading, self.tell = list(pieces), reading, tell
        self.skipped: dict[Path, str] = {}
        self.left_out: dict[str, str] = {}
        self._kept: list[Atoms] | None = None

    @property
    def paths(self) -> list[Path]:
        """Files or folders of the pieces."""
        return list(dict.fromkeys(piece.path for piece in self.pieces))

    def __iter__(self) -> Iterator[Atoms]:
        """Read piece after piece.

        Raises
        ------
        ValueError
            A file cannot be read (unless those are skipped); the message names it.
        """
        if sum(map(_size, self.paths)) > KEPT:
            return self._read()
        if self._kept is None:
            self._kept = list(self._read())
        return iter(self._kept)

    def _read(self) -> Iterator[Atoms]:
        for piece in self.pieces:
            if piece.path in self.skipped:
                continue
            rows = read_rows(piece, self.reading, self.left_out)
            rows = _checked(piece, rows) if piece.name else rows
            try:
                yield from list(rows) if self.reading.skip_unreadable else rows
            except NotTrusted:
                raise
            except ValueError as error:
                if not self.reading.skip_unreadable:
                    hint = "" if len(self.paths) == 1 else "; skip_unreadable=True leaves such files out"
                    raise ValueError(f"{error}{hint}") from error
                self.skipped[piece.path] = str(error)

    @property
    def losses(self) -> tuple[str, ...]:
        """What was left out and why, in words: files, and rows of files."""
        return (*self.skipped.values(), *(f"{where}: {why}" for where, why in self.left_out.items()))

    def __len__(self) -> int:
        """Return the number of structures; the first call reads all."""
        return self._length

    def __getitem__(self, index: int) -> Atoms:
        """Read up to one structure; iterate instead where more than one is needed."""
        return next(itertools.islice(self, range(len(self))[index], None))

    @cached_property
    def _length(self) -> int:
        tell = self.tell or (lambda n: None)
        return sum(1 for _ in self if tell(1) is None)


Sequence.register(Frames)  # pyright: ignore[reportAttributeAccessIssue]


def read_rows(piece: Piece, reading: Reading, left_out: dict[str, str] | None = None) -> Iterator[Atoms]:
    """Structures of one piece, in Å, each with an ``info["id"]``: the file's own, else counted.

    Rows of which nothing can be made are noted in ``left_out``, if the reading skips what is unreadable.

    Raises
    ------
    ValueError
        The file is empty, or cannot be read.
    NotTrusted
        The file holds pickles, and the reading does not say to trust it.
    ImportError
        The library that reads such files is not installed.
    """
    if piece.path.is_file() and piece.path.stat().st_size == 0:
        raise ValueError(f"{piece.path} is empty")
    scale = conversion_factor(reading.units.get("positions", "Å"), "Å")
    count = 0
    try:
        images = _made(piece, reading, {} if left_out is None else left_out)
        head = list(itertools.islice(images, 2))
        alone = len(head) == 1 and piece.stop is None and piece.start == 0
        for count, atoms in enumerate(itertools.chain(head, images), start=1):
            if scale != 1.0:
                atoms.set_cell(scale * atoms.cell.array)
                atoms.positions *= scale
            row = atoms.info.pop(ROW, str(piece.first + count - 1))
            if not any(key in atoms.info for key in ID_KEYS):
                number = "" if alone and piece.name else row
                atoms.info["id"] = "/".join(filter(None, (piece.name, number)))
            yield atoms
    except (NotTrusted, ImportError):
        raise
    except Exception as error:  # readers raise whatever their parsers do
        after = f" after {count} structures" if count else ""
        raise ValueError(f"{piece.path} cannot be read{after} ({type(error).__name__}: {error})") from error
    if count == 0 and piece.start == 0 and not left_out:
        raise ValueError(f"{piece.path} holds no structures")


def _made(piece: Piece, reading: Reading, left_out: dict[str, str]) -> Iterator[Atoms]:
    for row in read_by(piece.format).rows(piece, reading):
        if isinstance(row, Atoms):
            yield row
        elif reading.skip_unreadable:
            left_out[f"{piece.path}, {row.where}"] = row.why
        else:
            raise ValueError(f"{row.where}: {row.why}; skip_unreadable=True leaves such out")


def read_frames(path: Path) -> Iterator[Atoms]:
    """Structures of one file, as ``read_rows`` gives them."""
    return read_rows(Piece(path, format=format_of(path)), Reading())


def pieces_of(path: Path) -> list[Piece]:
    """Pieces of a file, or of all files of structures in a folder and below it, in the order of their names.

    Raises
    ------
    ValueError
        The folder has none.
    """
    found = [
        replace(piece, format=name, name="" if place == path else _name_in(place, path))
        for name, place in _places(path)
        for piece in _cut(name, place)
    ]
    if not found:
        raise ValueError(
            f"no files of structures in {path}; looked for POSCAR*, CONTCAR*, "
            f"{', '.join(ase_files.suffixes)} and the other formats that are read"
        )
    return found


def _cut(name: str, place: Path) -> list[Piece]:
    """Pieces of a file; one that is too damaged to be cut is one piece, whose reading says what is wrong."""
    try:
        return read_by(name).pieces(place)
    except ImportError:
        raise
    except Exception:  # readers raise whatever their parsers do
        return [Piece(place)]


def inputs_of(path: Path) -> list[Path]:
    """Files that are read at a path."""
    return [file for name, place in _places(path) for file in read_by(name).inputs(place) or [place]]


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


def labels_of(frames: Frames) -> LabelMap:
    """Which columns of these structures become which labels."""
    if len(frames) == 0:
        raise ValueError(f"none of {len(frames.paths)} files can be read; the first: {frames.losses[0]}")
    reading = frames.reading
    units = {name: unit for name, unit in reading.units.items() if name != "positions"}
    return label_map(cast(Sequence[Atoms], frames), reading.keys, units, reading.stress)


def _places(path: Path) -> Iterator[tuple[str, Path]]:
    """Files and folders that are read at a path, and the names of their formats."""
    name = format_of(path)
    if name or path.is_file():
        yield name, path
    if not path.is_dir():
        return
    taken = read_by(name).inputs(path) if name else []
    for child in sorted(path.iterdir()):
        if child.is_dir():
            if not any(child in file.parents for file in taken):
                yield from _places(child)
        elif not name and ((found := format_of(child)) or ase_files.inputs(child)):
            yield found, child


def _checked(piece: Piece, rows: Iterator[Atoms]) -> Iterator[Atoms]:
    """Structures of one file of a folder, looked at before they are given, so that errors name the file."""
    while batch := list(itertools.islice(rows, BATCH)):
        try:
            from_ase(batch, LabelMap((), len(batch)))
        except ValueError as error:
            raise ValueError(f"{piece.path}: {error}") from error
        yield from batch


def _size(path: Path) -> int:
    files = [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path]
    return sum(p.stat().st_size * (5 if p.suffix == ".gz" else 1) for p in files)


def _name_in(place: Path, folder: Path) -> str:
    """``a/b.cif`` → ``a/b``; ``a/POSCAR`` → ``a``."""
    inside = place.relative_to(folder)
    name = inside.name.removesuffix(".gz")
    if name in ("POSCAR", "CONTCAR") and inside.parent != Path("."):
        return str(inside.parent)
    return str(inside.with_name(name if place.is_dir() else Path(name).stem))
