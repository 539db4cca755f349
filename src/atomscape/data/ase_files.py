"""Files that ASE reads (``.gz`` too): whatever no module of ``data/formats/`` recognises."""

from __future__ import annotations

import gzip
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ase.io
from ase import Atoms
from ase.io.formats import UnknownFileTypeError, filetype

from atomscape.data.format import Piece, whole
from atomscape.data.reading import Reading

title = "files that ASE reads: CIF, POSCAR, XYZ, trajectories, …"
suffixes = (
    ".cif", ".vasp", ".poscar", ".xyz", ".extxyz", ".res", ".traj", ".gen", ".xsf", ".pdb", ".in",
)  # fmt: skip
"""Files of a folder that are read; also POSCAR* and CONTCAR*, and all of them with ``.gz``."""

trust = False
pieces = whole


def inputs(path: Path) -> list[Path]:
    """The file, if its name is one of those above."""
    name = path.name.removesuffix(".gz")
    known = Path(name).suffix.lower() in suffixes or name.startswith(("POSCAR", "CONTCAR"))
    return [path] if known and path.is_file() else []


def rows(piece: Piece, reading: Reading) -> Iterator[Atoms]:
    """Structures of one file; a file may be asked for whatever its name."""
    with warnings.catch_warnings(), unpacked(piece.path) as plain:
        warnings.simplefilter("ignore")
        yield from ase.io.iread(str(plain), index=":", format=_format_of(plain))


def _format_of(path: Path) -> str:
    """ASE's name of the format of a file.

    Raises
    ------
    ValueError
        Neither its content nor its name is that of a format that is read.
    """
    try:
        return filetype(str(path))
    except (UnknownFileTypeError, ImportError):
        raise ValueError("neither its content nor its name is that of a format that is read") from None


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """Give the file, decompressed if need be: ASE's readers jump about, slow in a compressed file."""
    if path.suffix != ".gz":
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / path.stem
        with gzip.open(path) as packed, plain.open("wb") as file:
            shutil.copyfileobj(packed, file)
        yield plain
