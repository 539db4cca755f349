"""One writer at a time changes a store that exists; readers are never kept waiting.

The lock is the operating system's (``flock`` on the folder): nothing lies on disk, and it goes with the
process that holds it, however that ends.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
    import fcntl  # Unix alone has it

    place = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyStore(
                f"{folder} is being changed by another process; try again when it is done"
            ) from None
        if not folder.exists() or not os.path.samestat(os.fstat(place), folder.stat()):
            raise BusyStore(f"{folder} has just been replaced by another process; try again")
        yield
    finally:
        os.close(place)
