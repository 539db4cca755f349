"""LMDB files of pickled rows, as of Open Catalyst and Open MatSciML: PyG ``Data``, dictionaries, pymatgen.

Keys are whole numbers as text; ``length`` and other words are skipped. A row may be compressed by zlib.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ase import Atoms

from atomscape.data.foreign_rows import atoms_of
from atomscape.data.format import Piece, need_trust
from atomscape.data.lmdb_files import is_lmdb, numbered_keys, opened
from atomscape.data.pickle_limits import inflated
from atomscape.data.reading import Reading
from atomscape.data.unpickle import unpickled

title = "LMDB of pickled rows (Open Catalyst, Open MatSciML)"
suffixes = (".lmdb", ".mdb")
trust = True
ROWS = 4096


def inputs(path: Path) -> list[Path]:
    """The file, or ``data.mdb`` of the folder, if its rows are pickles."""
    if path.suffix == ".aselmdb" or not is_lmdb(path):
        return []
    return [path / "data.mdb" if path.is_dir() else path]


def pieces(path: Path) -> list[Piece]:
    """Ranges of the numbered rows."""
    with opened(path) as transaction:
        n = len(numbered_keys(transaction))
    return [Piece(path, start, min(start + ROWS, n), start) for start in range(0, max(1, n), ROWS)]


def rows(piece: Piece, reading: Reading) -> Iterator[Atoms]:
    """Structures of some rows.

    Raises
    ------
    NotTrusted
        The reading does not say to trust pickles.
    UnsafePickle
        A row wants to run something.
    """
    need_trust(piece, reading)
    with opened(piece.path) as transaction:
        for key in numbered_keys(transaction)[piece.start : piece.stop]:
            content = bytes(transaction.get(str(key).encode()))
            value = unpickled(inflated(content) if content[:1] == b"x" else content)
            yield atoms_of(value, str(key))
