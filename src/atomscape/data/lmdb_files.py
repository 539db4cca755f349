"""LMDB files opened for reading: one file, or a folder with ``data.mdb``; keys in order of their numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MAGIC = b"\xde\xc0\xef\xbe"
"""Bytes 16 to 19 of an LMDB file."""


def is_lmdb(path: Path) -> bool:
    """Whether a file, or ``data.mdb`` in a folder, is an LMDB."""
    file = path / "data.mdb" if path.is_dir() else path
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        return opened.read(20)[16:] == MAGIC


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A transaction that reads; nothing is written beside the file, no lock either.

    Raises
    ------
    ImportError
        The package ``lmdb`` is not installed.
    """
    try:
        import lmdb
    except ImportError as error:
        raise ImportError(
            f"{path} is an LMDB; reading it needs the package lmdb: pip install 'atomscape[formats]'"
        ) from error
    environment = lmdb.open(str(path), subdir=path.is_dir(), readonly=True, lock=False, readahead=False)
    try:
        with environment.begin() as transaction:
            yield transaction
    finally:
        environment.close()


def numbered_keys(transaction: Any) -> list[int]:
    """Keys that are whole numbers, in their order; the file itself sorts them as text."""
    return sorted(int(key) for key in transaction.cursor().iternext(values=False) if key.isdigit())
