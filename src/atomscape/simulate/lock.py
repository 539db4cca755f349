"""A lock on a folder: two processes that write one simulation would tear it apart.

The lock is the system's (``data.lock``) on a file ``.lock`` that holds the number of the process. It goes
with the process, however that ends, so there is never one to be removed by hand.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from atomscape.data.lock import is_still, take

LOCK = ".lock"


@contextmanager
def locked(folder: str | Path) -> Iterator[None]:
    """Hold a folder, which is made where it is missing, for this process alone.

    Raises
    ------
    ValueError
        Another process holds it; the message has its number.
    """
    folder = Path(folder)
    made = [f for f in (folder, *folder.parents) if not f.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    held = _held(folder)
    try:
        yield
    finally:
        (folder / LOCK).unlink(missing_ok=True)  # before it is let go: whoever waits sees that it is gone
        os.close(held)
        with suppress(OSError):  # folders made for nothing go again
            for empty in made:
                empty.rmdir()


def _held(folder: Path) -> int:
    """The open file that is locked; a file that its owner has removed meanwhile is not the lock any more."""
    path = folder / LOCK
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        if not take(file):
            owner = os.read(file, 32).decode(errors="replace").strip()
            os.close(file)
            raise ValueError(
                f"process {owner or '(starting)'} is writing in {folder} at this moment; wait until it is "
                f"done or stop it (kill -INT {owner or 'PID'}), or name another folder with --out"
            )
        if is_still(file, path):
            os.truncate(file, 0)
            os.write(file, f"{os.getpid()}\n".encode())
            return file
        os.close(file)
