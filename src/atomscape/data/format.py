"""What a module in ``data/formats/`` offers. Adding a format is adding one such file.

A format turns files into rows: ASE structures with their columns in ``info``, ``arrays`` or a calculator.
Which columns become which labels, in which units, is decided once for all formats by
``atomscape.atoms.labels``. A format takes a file at its word: what it calls positions are the positions.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Protocol, cast, runtime_checkable

from ase import Atoms

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card
from atomscape.data.reading import Reading
from atomscape.find import available, find

KIND = "data.formats"

ROW = "_row"
"""Key of ``info`` for how a file counts a structure that has no id: its line, its key."""


class NotTrusted(ValueError):
    """A file that holds pickles, which are read only where the user says so."""


@dataclass(frozen=True)
class Piece:
    """A part of a file that is read by itself, in another process if need be.

    ``start`` and ``stop`` count whatever the format counts (rows, bytes; None is the end); ``first`` is the
    number of the piece's first structure in its file. ``format`` names who reads it, ``name`` is what its
    structures are called after; both are filled in by the one who asked for the pieces.
    """

    path: Path
    start: int = 0
    stop: int | None = None
    first: int = 0
    format: str = ""
    name: str = ""


@dataclass(frozen=True)
class LeftOut:
    """A row that no structure can be made of, and why: ``line 7``, ``"C1CC" cannot be read``."""

    where: str
    why: str


@runtime_checkable
class Format(Protocol):
    """A file format that is read.

    ``title`` says what it is, ``suffixes`` how its files are called, the first being the usual one. ``trust``
    says that its files hold pickles. Files are read when ``inputs`` recognises them, whatever their suffix.
    """

    title: str
    suffixes: tuple[str, ...]
    trust: bool

    @property
    def __file__(self) -> str | None:
        """Where the reader's code stands: a store is made anew when it changes."""
        ...

    def inputs(self, path: Path, /) -> list[Path]:
        """Files that would be read at this file or folder; empty where there is nothing of this format."""
        ...

    def pieces(self, path: Path, /) -> list[Piece]:
        """Cut a file or folder that ``inputs`` recognises into pieces, in the order of the structures."""
        ...

    def rows(self, piece: Piece, reading: Reading, /) -> Iterator[Atoms | LeftOut]:
        """Structures of a piece; an ``info["id"]`` names a structure, where the file does.

        Rows of which nothing can be made are ``LeftOut``: an error, or listed with ``skip_unreadable``.
        """
        ...


@runtime_checkable
class Writer(Protocol):
    """A file format that is written."""

    suffixes: tuple[str, ...]

    def write(self, path: Path, batches: Iterable[Structures], card: Card, /) -> None:
        """Write structures to a file or folder that does not exist, holding one batch at a time."""
        ...


def whole(path: Path) -> list[Piece]:
    """A file as one piece: the ``pieces`` of formats that cannot be entered in the middle."""
    return [Piece(path)]


def format_of(path: Path) -> str:
    """Name of the format that recognises a file or folder; empty where none does."""
    return next((name for name in available(KIND) if _reader(name) and read_by(name).inputs(path)), "")


def read_by(name: str) -> Format:
    """Format of that name; the empty name is ASE's, which reads what no other recognises."""
    if not name:
        return cast(Format, importlib.import_module("atomscape.data.ase_files"))
    return cast(Format, find(KIND, name))


def writer_of(path: Path) -> Writer | None:
    """Format that writes files of this name, by the longest suffix; None where none does."""
    found = [
        (len(suffix), module)
        for module in (find(KIND, name) for name in available(KIND))
        if isinstance(module, Writer)
        for suffix in cast(Writer, module).suffixes
        if path.name.lower().endswith(suffix)
    ]
    return cast(Writer, max(found, key=lambda f: f[0])[1]) if found else None


def need_trust(piece: Piece, reading: Reading) -> None:
    """Refuse to open a file of pickles that the user did not say to trust.

    Raises
    ------
    NotTrusted
        ``reading.trust`` is False.
    """
    if not reading.trust:
        raise NotTrusted(
            f"{piece.path} holds pickles, a format that can hide programs. If you trust where the file comes "
            "from, give trust=True: numbers, arrays and tensors are read, anything else is refused"
        )


def _reader(name: str) -> bool:
    module: ModuleType = find(KIND, name)
    return isinstance(module, Format)
