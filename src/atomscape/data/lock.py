"""Locks among processes: one writer at a time changes a store, one process at a time downloads a file.

They are the operating system's (``flock``): they go with the process that holds them, however that ends.
Where there are none (Windows, some network file systems) nothing is locked. Readers are never kept waiting.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


class BusyStore(OSError):
    """Another writer is changing this store."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """While it lasts, nobody else changes the store in ``folder``.

    Raises
    ------
    BusyStore
        Somebody else is doing so, or has just put another store in its place.
    """
    if fcntl is None:  # a folder cannot be opened there either
        yield
        return
    place = os.open(folder, os.O_RDONLY)
    try:
        if not take(place):
            raise BusyStore(f"{folder} is being changed by another process; try again when it is done")
        if not is_still(place, folder):
            raise BusyStore(f"{folder} has just been replaced by another process; try again")
        yield
    finally:
        os.close(place)


@contextmanager
def owned(path: Path, waiting: Callable[[], None] = lambda: None, every: float = 0.1) -> Iterator[None]:
    """Own the file ``path``, made if need be, until the block ends; ``waiting`` is called while another does.

    The owner may replace or remove the file: those who waited for the old one then take the new one.

    Raises
    ------
    OSError
        The place cannot be written.
    """
    while True:
        with path.open("ab") as file:
            while not take(file.fileno()):
                waiting()
                time.sleep(every)
            if is_still(file.fileno(), path):
                yield
                return


def take(descriptor: int) -> bool:
    """Lock an open file; False if another process has, True also where there are no locks."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # no locks on this file system
        return True
    return True


def is_still(descriptor: int, path: Path) -> bool:
    """Whether an open file is the one that a path names."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
