"""Write a folder or nothing: it appears under its final name only when all of its files are on disk.

At any moment the final name holds the old folder or the new one, whole. Linux exchanges the two in one step;
where that is not possible the old one is put aside for the time of a renaming, and whoever comes next puts it
back if the writer was killed just then.
"""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

from atomscape.data.lock import locked
from atomscape.data.record import CARD

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_EXCHANGE, _HERE = 2, -100  # RENAME_EXCHANGE and AT_FDCWD of Linux


@contextmanager
def atomic_folder(final: Path, overwrite: bool = False) -> Iterator[Path]:
    """Give a hidden folder beside ``final``; rename it to ``final`` on success, remove it on failure.

    Leftovers of killed writers of the same folder on this machine are swept away first.

    Raises
    ------
    FileExistsError
        ``final`` exists and ``overwrite`` is False, at the start or (written by another process) at the end;
        or it is no store and not empty: such a folder is never replaced.
    BusyStore
        The store to be replaced is being changed by another process.
    OSError
        The place cannot be written, or is full.
    """
    hidden = final.parent / f".{final.name}~{_host()}~{os.getpid()}~{secrets.token_hex(4)}.part"
    restore(final)
    refuse(final, overwrite)
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
        with explained(final):
            yield hidden
            for path in hidden.rglob("*"):
                flush(path)
            flush(hidden)
            _publish(hidden, final, overwrite)
            flush(final.parent)
    finally:
        remove(hidden)


def hidden_file(final: Path) -> Path:
    """A hidden name beside ``final`` that ends as it does; what killed writers left under such is removed."""
    for path in final.parent.glob(f".part~*~*~*~{escape(final.name)}"):
        _, host, pid, _, _ = path.name.split("~", 4)
        if host == _host() and not _alive(int(pid)):
            remove(path) if path.is_dir() else path.unlink(missing_ok=True)
    return final.with_name(f".part~{_host()}~{os.getpid()}~{secrets.token_hex(4)}~{final.name}")


@contextmanager
def explained(final: Path) -> Iterator[None]:
    """Say, when there is no room for what is written, where that was and what became of it."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        free = shutil.disk_usage(final.parent).free
        raise OSError(
            error.errno,
            f"no room to write {final}: {os.strerror(error.errno)} ({free / 1e6:,.0f} MB are free there); "
            "what was there before is unchanged. Make room, or choose another place",
        ) from error


def sweep(final: Path) -> None:
    """Remove hidden folders that killed processes of this machine left beside ``final``."""
    restore(final)
    for path in _left(final, "part"):
        remove(path)


def restore(final: Path) -> None:
    """Put back what a writer put aside and, because it was killed, did not replace."""
    if not final.exists():
        for path in _left(final, "old.part"):
            with suppress(OSError):  # another process was faster, or this one may not write here
                path.rename(final)
            return


def refuse(final: Path, overwrite: bool) -> None:
    """Raise ``FileExistsError`` where ``final`` exists and may not be replaced."""
    if not final.exists():
        return
    if not overwrite:
        raise FileExistsError(f"{final} exists and is not overwritten; give overwrite=True or another place")
    if not (final / CARD).is_file() and (not final.is_dir() or any(final.iterdir())):
        raise FileExistsError(f"{final} is not a store and is not replaced by one; give another place")


def remove(folder: Path) -> None:
    """Remove a folder, if it is there; the card first, so that no half of a store can be opened."""
    (folder / CARD).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def flush(path: Path) -> None:
    """Ask the operating system to put a file, or the list of a folder's files, on disk."""
    place = os.open(path, os.O_RDONLY)
    try:
        os.fsync(place)
    finally:
        os.close(place)


def _publish(hidden: Path, final: Path, overwrite: bool) -> None:
    """Give the hidden folder its final name; what had this name before is then the hidden one."""
    if overwrite and final.exists():
        refuse(final, overwrite)
        with locked(final):
            if not _exchange(hidden, final):
                aside = hidden.with_name(hidden.name.replace(".part", ".old.part"))
                final.rename(aside)
                hidden.rename(final)
                aside.rename(hidden)
        return
    try:
        hidden.rename(final)
    except OSError:
        refuse(final, overwrite)
        raise


def _exchange(a: Path, b: Path) -> bool:
    """Exchange the names of two folders in one step; False where the system or the disk cannot."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    return rename is not None and rename(_HERE, os.fsencode(a), _HERE, os.fsencode(b), _EXCHANGE) == 0


def _left(final: Path, ending: str) -> Iterator[Path]:
    """Hidden folders beside ``final`` whose writers are dead."""
    for path in final.parent.glob(f".{escape(final.name)}~*~*~*.{ending}"):
        _, host, pid, _ = path.name.rsplit("~", 3)
        if host == _host() and not _alive(int(pid)):
            yield path


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
