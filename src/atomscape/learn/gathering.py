"""The structures of one part of a split: in memory, or, when they are too many, in a file mapped into memory.

A mapped array is read from disk where it is touched and leaves memory when that is needed for something else;
to the code that uses it, it is an array like any other, so a run gives the same bits either way. The file has
no name: it goes with the process, however that ends.
"""

from __future__ import annotations

import errno
import mmap
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from atomscape.atoms.structures import Structures
from atomscape.data.load import cache_folder
from atomscape.data.store import Store
from atomscape.shapes import Tensor

CHUNK = 8_192
"""Structures that are read at once on their way into a file."""

Adapt = Callable[[int, Structures], Structures]
"""``adapt(d, structures)``: the structures of dataset d with the labels that a run wants."""


def gathered(
    chosen: Sequence[tuple[Store, np.ndarray]], adapt: Adapt, per_atom: frozenset[str], limit: float
) -> Structures:
    """Structures of the chosen rows of each store, in their order.

    Parameters
    ----------
    adapt
        What is done to structures on their way in; it works on each structure alone.
    per_atom
        Names of the labels that run over atoms.
    limit
        Bytes up to which they are kept in memory.

    Raises
    ------
    OSError
        The disk with the cache folder has no room for the file.
    """
    first = [adapt(d, store[rows[:1]]) for d, (store, rows) in enumerate(chosen)]
    like = Structures.concatenate(first)
    counts = np.concatenate([np.asarray(store.counts)[rows] for store, rows in chosen])
    room = {k: (int(counts.sum()) if a else len(counts), v) for k, (a, v) in _arrays(like, per_atom).items()}
    size = sum(_padded(n, v) for n, v in room.values())
    if size <= limit:
        return Structures.concatenate([adapt(d, store[rows]) for d, (store, rows) in enumerate(chosen)])
    arrays = _mapped(room, size)
    ids: list[str] = []
    structures = atoms = 0
    for part in _chunks(chosen, adapt):
        ends = {True: (atoms, atoms + part.n_atoms), False: (structures, structures + len(part))}
        given = {k: v for k, (_, v) in _arrays(part, per_atom).items()}
        for name, array in arrays.items():
            a, b = ends[_arrays(like, per_atom)[name][0]]
            array[a:b] = given.get(name, torch.nan)
        arrays["structure"][atoms : atoms + part.n_atoms] += structures
        ids += part.ids
        structures, atoms = ends[False][1], ends[True][1]
    plain = {k: arrays.pop(k) for k in ("positions", "numbers", "cell", "pbc", "structure")}
    labels = {k.removeprefix("label:"): v for k, v in arrays.items()}
    return Structures(**plain, labels=labels, ids=tuple(ids), atom_labels=like.atom_labels)


def _chunks(chosen: Sequence[tuple[Store, np.ndarray]], adapt: Adapt) -> Iterator[Structures]:
    for d, (store, rows) in enumerate(chosen):
        for start in range(0, len(rows), CHUNK):
            yield adapt(d, store[rows[start : start + CHUNK]])


def _arrays(s: Structures, per_atom: frozenset[str]) -> dict[str, tuple[bool, Tensor]]:
    """Name → whether it runs over atoms, and the values."""
    plain = {"positions": True, "numbers": True, "cell": False, "pbc": False, "structure": True}
    found = {name: (over_atoms, getattr(s, name)) for name, over_atoms in plain.items()}
    return found | {f"label:{name}": (name in per_atom, values) for name, values in s.labels.items()}


def _padded(rows: int, like: Tensor) -> int:
    """Bytes of an array of so many rows, up to a multiple of 64."""
    return -(-rows * like[:1].numel() * like.element_size() // 64) * 64


def _mapped(room: dict[str, tuple[int, Tensor]], size: int) -> dict[str, Tensor]:
    """Arrays one after the other in a file without a name, for which the disk has set room aside."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        reserve = getattr(
            os, "posix_fallocate", lambda place, start, n: os.truncate(place, n)
        )  # not on macOS
        try:
            reserve(file.fileno(), 0, size)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise OSError(
                error.errno,
                f"no room for {size / 1e9:.1f} GB of structures in {folder}; make room, set ATOMSCAPE_CACHE "
                "to a folder on a larger disk, or raise training.memory_gigabytes",
            ) from error
        memory = mmap.mmap(file.fileno(), size)
    arrays, start = {}, 0
    for name, (rows, like) in room.items():
        count = rows * like[:1].numel()
        flat = torch.frombuffer(memory, dtype=like.dtype, count=count, offset=start)
        arrays[name] = flat.reshape(rows, *like.shape[1:])
        start += _padded(rows, like)
    return arrays
