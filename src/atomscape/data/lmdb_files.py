"""LMDB files opened for reading: one file, or a folder with ``data.mdb``; keys in order of their numbers."""

from __future__ import annotations

import struct
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


_META = struct.Struct("=16x 4s 20x I 92x Q Q")
"""Of a page at the beginning: the magic bytes, the bytes of a page, the last page, the transaction."""


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A transaction that reads; nothing is written beside the file, no lock either.

    Raises
    ------
    ImportError
        The package ``lmdb`` is not installed.
    ValueError
        The file is cut off or damaged.
    """
    lmdb = _library(path)
    _refuse_cut_off(path / "data.mdb" if path.is_dir() else path)
    try:
        environment = lmdb.open(str(path), subdir=path.is_dir(), readonly=True, lock=False, readahead=False)
    except lmdb.Error as error:
        raise ValueError(f"{path} cannot be opened as an LMDB ({error})") from error
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


def _refuse_cut_off(file: Path) -> None:
    """Refuse a file shorter than it says: to read beyond the end of a mapped file kills the process.

    Two pages at the beginning say, in turns, where the last page is (``MDB_meta`` in LMDB's ``mdb.c``).
    """
    with file.open("rb") as opened:
        head = opened.read(_META.size)
        if head[16:20] not in (MAGIC, b""):
            raise ValueError(f"{file} is no LMDB")
        page = _META.unpack(head)[1] if len(head) == _META.size else 0
        opened.seek(page)
        second = opened.read(_META.size)
    metas = [_META.unpack(m) for m in (head, second) if len(m) == _META.size]
    size = file.stat().st_size
    needed = max((page * (last + 1) for magic, _, last, _ in metas if magic == MAGIC), default=size + 1)
    if len(metas) < 2 or size < needed:
        raise ValueError(f"{file} is cut off: an LMDB of {size:,} bytes that should have more; get it anew")


def _library(path: Path) -> Any:
    try:
        import lmdb
    except ImportError as error:
        raise ImportError(f"{path} is an LMDB, which needs lmdb: pip install 'atomscape[formats]'") from error
    return lmdb


def numbered_keys(transaction: Any) -> list[int]:
    """Keys that are whole numbers, in their order; the file itself sorts them as text."""
    return sorted(int(key) for key in transaction.cursor().iternext(values=False) if key.isdigit())
