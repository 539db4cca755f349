"""LMDB files opened for reading: one file, or a folder with ``data.mdb``; keys in order of their numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MAP = 2**40
"""Bytes of address space for writing; the file takes what its rows need."""

EVERY = 4096
"""Rows written at a time."""

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
    lmdb = _library(path)
    environment = lmdb.open(str(path), subdir=path.is_dir(), readonly=True, lock=False, readahead=False)
    try:
        with environment.begin() as transaction:
            yield transaction
    finally:
        environment.close()


@contextmanager
def written(path: Path) -> Iterator[Callable[[bytes, bytes], None]]:
    """A function that puts a value under a key into a new file; all is on disk at the end.

    Raises
    ------
    ImportError
        The package ``lmdb`` is not installed.
    """
    environment = _library(path).open(str(path), subdir=False, map_size=MAP, lock=False, sync=False)
    waiting: list[tuple[bytes, bytes]] = []

    def flush() -> None:
        with environment.begin(write=True) as transaction:
            for key, value in waiting:
                transaction.put(key, value)
        waiting.clear()

    def put(key: bytes, value: bytes) -> None:
        waiting.append((key, value))
        if len(waiting) >= EVERY:
            flush()

    try:
        yield put
        flush()
        environment.sync(True)
    finally:
        environment.close()


def _library(path: Path) -> Any:
    try:
        import lmdb
    except ImportError as error:
        raise ImportError(f"{path} is an LMDB, which needs lmdb: pip install 'atomscape[formats]'") from error
    return lmdb


def numbered_keys(transaction: Any) -> list[int]:
    """Keys that are whole numbers, in their order; the file itself sorts them as text."""
    return sorted(int(key) for key in transaction.cursor().iternext(values=False) if key.isdigit())
