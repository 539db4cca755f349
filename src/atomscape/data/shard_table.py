"""Batches out of many shards: native code copies each structure's ranges, whichever file they lie in.

``gather`` (the reference) works shard by shard, which is best for one shard, or for many structures of each.
A shuffled batch of 64 meets dozens of the shards of a large store with a structure or two in each; then the
addresses of all ranges are computed at once, and copied by one call.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from functools import cache

import numpy as np
import pyarrow as pa
import torch

from atomscape.atoms.properties import Property, property_named
from atomscape.atoms.structures import Structures
from atomscape.data.shards import Shard

FEW = 64
"""Up to so many structures per shard, on average, the table is faster than going shard by shard."""

OFFSETS, IDS, LETTERS, FIRST = 0, 1, 2, 3  # rows of the table: where things lie, ids, then the columns


@cache
def available() -> bool:
    """Whether native code can be made here."""
    return importlib.util.find_spec("numba") is not None


class ShardTable:
    """Addresses of the columns of a store's shards, filled in as shards are mapped.

    A column is (name, per atom, type, shape of one value). ``base[FIRST + c, k]`` is where column c of shard
    k begins, 0 where the shard has no such label.
    """

    def __init__(self, shards: int, properties: Mapping[str, Property], dtypes: Mapping[str, str]):
        self.columns: list[tuple[str, bool, np.dtype, tuple[int, ...]]] = [
            ("numbers", True, np.dtype(np.uint8), ()),
            ("positions", True, np.dtype(np.float64), (3,)),
            ("cell", False, np.dtype(np.float64), (3, 3)),
            ("pbc", False, np.dtype(np.uint8), (3,)),
            *((n, p.per == "atom", np.dtype(dtypes[n]), p.shape) for n, p in properties.items()),
        ]
        self.base = np.zeros((FIRST + len(self.columns), shards), np.int64)
        self.known = np.zeros(shards, bool)
        self.per_atom = np.array([per_atom for _, per_atom, _, _ in self.columns])
        self.bytes = np.array([d.itemsize * int(np.prod(s, dtype=int)) for _, _, d, s in self.columns])
        self.floating = np.array([d.kind == "f" for _, _, d, _ in self.columns])
        self.free = frozenset(n for n, a, _, _ in self.columns[4:] if a and property_named(n) is None)

    def add(self, k: int, shard: Shard) -> bool:
        """Enter a mapped shard; False if a label in it is of another type than the store's."""
        text = shard.ids.buffers()
        if shard.ids.offset or any(
            d != shard.labels[n].dtype for n, _, d, _ in self.columns[4:] if n in shard.labels
        ):
            return False
        arrays = [getattr(shard, n) for n, _, _, _ in self.columns[:4]]
        arrays += [shard.labels.get(n) for n, _, _, _ in self.columns[4:]]
        letters = text[2].address if text[2] else 0
        self.base[:FIRST, k] = _address(shard.offsets), text[1].address, letters
        self.base[FIRST:, k] = [0 if a is None else _address(a) for a in arrays]
        self.known[k] = True
        return True

    def gather(self, which: np.ndarray, rows: np.ndarray) -> Structures:
        """Batch of the structures ``rows[i]`` of the shards ``which[i]``, all of them entered before."""
        n = len(rows)
        base = self.base[:, which]
        ends, letters = np.empty((n, 2), np.int64), np.empty((n, 2), np.int32)  # of atoms, of ids
        _copy(
            np.concatenate([base[OFFSETS] + 8 * rows, base[IDS] + 4 * rows]),
            np.concatenate([_steps(ends), _steps(letters)]),
            np.repeat((16, 8), n),
        )
        counts = ends[:, 1] - ends[:, 0]
        first = counts.cumsum() - counts
        total = int(counts.sum())
        out = [np.empty((total if a else n, *shape), d) for _, a, d, shape in self.columns]
        item, atoms = self.bytes[:, None], self.per_atom[:, None]
        there = base[FIRST:] != 0
        source = base[FIRST:] + item * np.where(atoms, ends[:, 0], rows)
        target = np.array([_address(o) for o in out])[:, None] + item * np.where(atoms, first, np.arange(n))
        size = item * np.where(atoms, counts, 1) * there
        lengths = letters[:, 1] - letters[:, 0]
        places = np.zeros(n + 1, np.int32)
        lengths.cumsum(out=places[1:])
        text = np.empty(places[-1], np.uint8)
        _copy(
            np.concatenate([source.reshape(-1), base[LETTERS] + letters[:, 0].astype(np.int64)]),
            np.concatenate([target.reshape(-1), _address(text) + places[:-1].astype(np.int64)]),
            np.concatenate([size.reshape(-1), lengths]),
        )
        structure = np.arange(n).repeat(counts)
        for c in np.flatnonzero(~there.all(1) & self.floating):
            out[c][np.repeat(~there[c], counts) if self.per_atom[c] else ~there[c]] = np.nan
        return Structures(
            torch.from_numpy(out[1]),
            torch.from_numpy(out[0].astype(np.int64)),
            torch.from_numpy(out[2]),
            torch.from_numpy(out[3].view(bool)),
            torch.from_numpy(structure),
            {name: torch.from_numpy(o) for (name, *_), o in zip(self.columns[4:], out[4:], strict=True)},
            tuple(pa.StringArray.from_buffers(n, pa.py_buffer(places), pa.py_buffer(text)).to_pylist()),
            self.free,
        )


def _steps(array: np.ndarray) -> np.ndarray:
    """Address of each row."""
    return _address(array) + array.strides[0] * np.arange(len(array))


def _address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def _copy(source: np.ndarray, target: np.ndarray, size: np.ndarray) -> None:
    """Copy ranges of bytes between addresses; all lie in arrays that the caller holds."""
    from atomscape.ops.jit.team import run

    known = [np.ascontiguousarray(a, np.int64) for a in (source, target, size)]
    run(_kernel(), [*map(_address, known), len(source)], 1)


@cache
def _kernel() -> int:
    """Address of the native code; it is compiled once per machine."""
    from atomscape.ops.jit.compile import address_of

    def write() -> str:
        from atomscape.ops.jit.copy_ranges import program
        from atomscape.ops.jit.scalar import written

        return written(program, "copy_ranges")

    return address_of("copy_ranges", (), write)
