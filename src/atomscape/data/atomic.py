"""Write a folder or nothing: it appears under its final name only when all of its files are on disk."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_folder(final: Path, overwrite: bool = False) -> Iterator[Path]:
    """Give a hidden folder beside ``final``; rename it to ``final`` on success, remove it on failure.

    Leftovers of killed writers of the same folder on this machine are swept away first.

    Raises
    ------
    FileExistsError
        ``final`` exists and ``overwrite`` is False, at the start or (written by another process) at the end.
    OSError
        The place cannot be written.
    """
    _refuse(final, overwrite)
    hidden = final.parent / f".{final.name}~{_host()}~{os.getpid()}~{secrets.token_hex(4)}.part"
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        sweep(final)
        hidden.mkdir()
    except OSError as error:
        what = error.strerror or str(error)
        raise OSError(
            error.errno, f"cannot write {final} ({what}); choose a place that can be written"
        ) from error
    try:
        yield hidden
        for path in hidden.rglob("*"):
            flush(path)
        _publish(hidden, final, overwrite)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def sweep(final: Path) -> None:
    """Remove hidden folders that killed processes of this machine left beside ``final``."""
    for path in final.parent.glob(f".{final.name}~*~*~*.part"):
        _, host, pid, _ = path.name.rsplit("~", 3)
        if host == _host() and not _alive(int(pid)):
            shutil.rmtree(path, ignore_errors=True)


def flush(path: Path) -> None:
    """Ask the operating system to put a file on disk."""
    if path.is_file():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _publish(hidden: Path, final: Path, overwrite: bool) -> None:
    if overwrite and final.exists():
        old = hidden.with_name(hidden.name.replace(".part", ".old.part"))
        final.rename(old)
        hidden.rename(final)
        shutil.rmtree(old, ignore_errors=True)
        return
    try:
        hidden.rename(final)
    except OSError as error:
        _refuse(final, overwrite)
        raise error


def _refuse(final: Path, overwrite: bool) -> None:
    if final.exists() and not overwrite:
        raise FileExistsError(f"{final} exists and is not overwritten; give overwrite=True or another place")


def _host() -> str:
    return socket.gethostname().replace("~", "-").replace("/", "-")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
