"""Extended XYZ, read and printed by ASE; large files in ranges, so that several processes may share one.

ASE prints eight decimals. Files packed by gzip, and plain XYZ, are read as ASE's other files are.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import ase.io
from ase import Atoms
from ase.io.formats import open_with_compression

from atomscape.atoms.ase import to_ase
from atomscape.atoms.structures import Structures
from atomscape.data.card import Card
from atomscape.data.format import Piece
from atomscape.data.reading import Reading

title = "extended XYZ"
suffixes = (".extxyz", ".xyz", ".extxyz.gz", ".xyz.gz")
trust = False
RANGE = 2**23
"""Bytes of a piece."""


def inputs(path: Path) -> list[Path]:
    """The file, if it is not packed and its first structure says which columns it has."""
    if path.suffix.lower() not in (".xyz", ".extxyz") or not path.is_file():
        return []
    with path.open("rb") as file:
        return [path] if b"Properties=" in b"".join(islice(file, 2)) else []


def pieces(path: Path) -> list[Piece]:
    """Ranges of bytes that begin with a structure."""
    if path.stat().st_size <= RANGE:
        return [Piece(path)]
    starts = list(_starts(path))
    stops = [start for start, _ in starts[1:]] + [None]
    return [Piece(path, start, stop, n) for (start, n), stop in zip(starts, stops, strict=True)]


def rows(piece: Piece, reading: Reading) -> Iterator[Atoms]:
    """Structures of a range."""
    with piece.path.open("rb") as file:
        file.seek(piece.start)
        text = file.read(-1 if piece.stop is None else piece.stop - piece.start).decode()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield from ase.io.iread(io.StringIO(text), index=":", format="extxyz")


def write(path: Path, batches: Iterable[Structures], card: Card) -> None:
    """Write structures one after the other; unknown labels are left out."""
    with open_with_compression(str(path), "w") as file:
        for batch in batches:
            ase.io.write(file, to_ase(batch), format="extxyz")


def _starts(path: Path) -> Iterator[tuple[int, int]]:
    """Where pieces begin, in bytes, and the number of the structure that begins there."""
    number, begun = 0, -RANGE
    with path.open("rb") as file:
        place = 0
        while line := file.readline():
            if place - begun >= RANGE:
                yield place, number
                begun = place
            count = int(line) if line.strip().isdigit() else 0
            place += len(line) + sum(map(len, islice(file, count + 1)))
            number += 1
