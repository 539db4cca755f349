"""The structures of one part of a split: in memory, or, when they are too many, in a file mapped into memory.

A mapped array is read from disk where it is touched and leaves memory when that is needed for something else;
to the code that uses it, it is an array like any other, so a run gives the same bits either way. The file has
no name: it goes with the process, however that ends.

The processes of a run that stand on one machine share one such file. Each reads its share of the dataset, and
writes it where all of them find it, so that a machine reads a dataset once and holds it once.
"""

from __future__ import annotations

import errno
import mmap
import os
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np
import torch

from atomscape.atoms.structures import Structures
from atomscape.data.load import cache_folder
from atomscape.data.store import Store
from atomscape.learn.machines.ranks import ALONE, Ranks
from atomscape.shapes import Tensor

CHUNK = 8_192
"""Structures that are read at once on their way into a file."""

PREFIX = ".shared-by-"
"""Names of files that processes share, for as long as it takes all of them to open it: the first one's number
follows."""

Adapt = Callable[[int, Structures], Structures]
"""``adapt(d, structures)``: the structures of dataset d with the labels that a run wants."""


def gathered(
    chosen: Sequence[tuple[Store, np.ndarray]],
    adapt: Adapt,
    per_atom: frozenset[str],
    limit: float,
    ranks: Ranks = ALONE,
) -> Structures:
    """Structures of the chosen rows of each store, in their order.

    Parameters
    ----------
    adapt
        What is done to structures on their way in; it works on each structure alone.
    per_atom
        Names of the labels that run over atoms.
    limit
        Bytes up to which a process that is alone keeps them in memory.
    ranks
        The processes that ask for the same at the same time.

    Raises
    ------
    OSError
        The disk with the cache folder has no room for the file.
    """
    first = [adapt(d, store[rows[:1]]) for d, (store, rows) in enumerate(chosen)]
    like = Structures.concatenate(first)
    counts = np.concatenate([np.asarray(store.counts)[rows] for store, rows in chosen])
    over_atoms = {k: a for k, (a, _) in _arrays(like, per_atom).items()}
    room = {k: (int(counts.sum()) if a else len(counts), v) for k, (a, v) in _arrays(like, per_atom).items()}
    size = sum(_padded(n, v) for n, v in room.values())
    if size <= limit and ranks.count == 1:
        return Structures.concatenate([adapt(d, store[rows]) for d, (store, rows) in enumerate(chosen)])
    here = _alike(ranks)
    arrays = _arranged(_shared_file(size, ranks, here), room)
    starts, ids = np.r_[0, counts.cumsum()], {}
    for place, d, rows in here.mine(_pieces(chosen)):
        part = adapt(d, chosen[d][0][rows])
        end = place + len(rows)
        spans = {True: slice(int(starts[place]), int(starts[end])), False: slice(place, end)}
        given = {k: v for k, (_, v) in _arrays(part, per_atom).items()}
        for name, array in arrays.items():
            array[spans[over_atoms[name]]] = given.get(name, torch.nan)
        arrays["structure"][spans[True]] += place
        ids[place] = part.ids
    known = {place: names for found in ranks.gathered(ids) for place, names in found.items()}
    plain = {k: arrays.pop(k) for k in ("positions", "numbers", "cell", "pbc", "structure")}
    labels = {k.removeprefix("label:"): v for k, v in arrays.items()}
    all_ids = tuple(name for place in sorted(known) for name in known[place])
    return Structures(**plain, labels=labels, ids=all_ids, atom_labels=like.atom_labels)


def _pieces(chosen: Sequence[tuple[Store, np.ndarray]]) -> Iterator[tuple[int, int, np.ndarray]]:
    """Place of the first structure, dataset, and rows of each piece that is read at once."""
    place = 0
    for d, (_, rows) in enumerate(chosen):
        for start in range(0, len(rows), CHUNK):
            piece = rows[start : start + CHUNK]
            yield place, d, piece
            place += len(piece)


def _arrays(s: Structures, per_atom: frozenset[str]) -> dict[str, tuple[bool, Tensor]]:
    """Name → whether it runs over atoms, and the values."""
    plain = {"positions": True, "numbers": True, "cell": False, "pbc": False, "structure": True}
    found = {name: (over_atoms, getattr(s, name)) for name, over_atoms in plain.items()}
    return found | {f"label:{name}": (name in per_atom, values) for name, values in s.labels.items()}


def _padded(rows: int, like: Tensor) -> int:
    """Bytes of an array of so many rows, up to a multiple of 64."""
    return -(-rows * like[:1].numel() * like.element_size() // 64) * 64


def _alike(ranks: Ranks) -> Ranks:
    """Which process it is among those on the same machine with the same cache folder."""
    where = (socket.gethostname(), str(cache_folder()))
    alike = [k for k, other in enumerate(ranks.gathered(where)) if other == where]
    return Ranks(alike.index(ranks.rank), len(alike), ranks.device)


def _shared_file(size: int, ranks: Ranks, here: Ranks) -> mmap.mmap:
    """So many bytes of a file without a name, mapped by all processes of a machine."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    if ranks.count == 1:
        with tempfile.TemporaryFile(dir=folder) as file:
            return _mapped(file, size)
    name = ""
    if here.main:
        _sweep(folder)
        handle, name = tempfile.mkstemp(prefix=f"{PREFIX}{socket.gethostname()}-{os.getpid()}-", dir=folder)
        os.close(handle)
    where = (socket.gethostname(), str(folder))
    name = next(n for place, n in ranks.gathered((where, name)) if place == where and n)
    try:
        with open(name, "r+b") as file:
            if here.main:
                _reserve(file, size)
            ranks.gathered(None)  # the file has its size
            memory = mmap.mmap(file.fileno(), size)
        ranks.gathered(None)  # all have it open
    finally:
        if here.main:
            os.unlink(name)
    return memory


def _sweep(folder: Path) -> None:
    """Remove what a process of this machine left that was killed before it could."""
    for left in folder.glob(f"{PREFIX}{socket.gethostname()}-*"):
        pid = int(left.name.rsplit("-", 2)[1])
        if not _alive(pid):
            left.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _mapped(file: IO[bytes], size: int) -> mmap.mmap:
    _reserve(file, size)
    return mmap.mmap(file.fileno(), size)


def _reserve(file: IO[bytes], size: int) -> None:
    """Set room aside on the disk."""
    reserve = getattr(os, "posix_fallocate", lambda place, start, n: os.truncate(place, n))  # not on macOS
    try:
        reserve(file.fileno(), 0, size)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise OSError(
            error.errno,
            f"no room for {size / 1e9:.1f} GB of structures in {cache_folder()}; make room, set "
            "ATOMSCAPE_CACHE to a folder on a larger disk, or raise training.memory_gigabytes",
        ) from error


def _arranged(memory: mmap.mmap, room: dict[str, tuple[int, Tensor]]) -> dict[str, Tensor]:
    """Arrays one after the other in a file."""
    arrays, start = {}, 0
    for name, (rows, like) in room.items():
        count = rows * like[:1].numel()
        flat = torch.frombuffer(memory, dtype=like.dtype, count=count, offset=start)
        arrays[name] = flat.reshape(rows, *like.shape[1:])
        start += _padded(rows, like)
    return arrays
