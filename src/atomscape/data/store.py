"""A dataset on disk: a folder of memory-mapped Arrow shards, written once, and a JSON card.

``write_store`` writes into a hidden folder beside the final one and renames it when all is on disk, so that
a store is either complete or absent. ``Store`` gathers structures in any order with one copy per array, from
the page cache into the batch; shards that are not asked for are not read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from atomscape.atoms.properties import Property
from atomscape.atoms.structures import Index, Structures, chosen_rows
from atomscape.data.atomic import atomic_folder, restore
from atomscape.data.card import Card
from atomscape.data.gather import Part, gather, gather_from_one
from atomscape.data.record import (
    CARD,
    SPLITS,
    CardSeen,
    StoreRecord,
    card_seen,
    check_size,
    fingerprint_of,
    read_record,
)
from atomscape.data.shard_files import Progress
from atomscape.data.shard_table import FEW, ShardTable, available
from atomscape.data.shards import BrokenStore, Shard, map_shard, sha256
from atomscape.data.write import write_files
from atomscape.find import suggest

CPU = torch.device("cpu")
GEOMETRY = ("numbers", "positions", "cell", "pbc")


def write_store(
    folder: str | Path,
    batches: Iterable[Structures],
    card: Card,
    splits: Mapping[str, np.ndarray] | None = None,
    *,
    overwrite: bool = False,
    shard_atoms: int = 4_000_000,
    progress: Progress | None = None,
) -> Store:
    """Write structures to a new store and open it. Batches are streamed; a shard is held in memory at a time.

    ``progress`` is called with the number of structures that have just been taken in.

    Raises
    ------
    FileExistsError
        The folder exists and ``overwrite`` is False.
    ValueError
        There are no structures, some are ill-formed, or a label or a split does not fit them.
    OSError
        The place cannot be written.
    """
    folder = Path(folder)
    with atomic_folder(folder, overwrite) as hidden:
        write_files(hidden, batches, card, splits, shard_atoms, progress)
    return Store.open(folder)


def is_store(folder: Path) -> bool:
    """Whether a folder holds a store. One that a killed writer put aside is put back first."""
    if not folder.exists():
        restore(folder)
    return (folder / CARD).is_file()


class Store:
    """Random access to the structures of a dataset. Open one with ``Store.open``."""

    def __init__(self, folder: Path, record: StoreRecord, card: CardSeen):
        self.folder, self.record, self._card = folder, record, card
        self.card = record.card
        self.fingerprint = record.fingerprint
        self.properties: dict[str, Property] = {p.name: p.property() for p in record.card.properties}
        self._starts = np.cumsum([0] + [s.structures for s in record.shards])
        self._shards: dict[int, Shard] = {}

    @staticmethod
    def open(folder: str | Path) -> Store:
        """Open a store; sizes of all shards are compared with the card, their content is not read.

        Raises
        ------
        FileNotFoundError
            There is no store at that place.
        BrokenStore
            The card is unreadable, or a shard is missing or has the wrong size.
        """
        folder = Path(folder)
        if not folder.exists():
            restore(folder)
        seen = card_seen(folder)
        return Store(folder, read_record(folder), seen)

    def __len__(self) -> int:
        """Return the number of structures."""
        return int(self._starts[-1])

    def __repr__(self) -> str:
        """Name, counts and place."""
        counts = f"{len(self)} structures, {self.card.n_atoms} atoms"
        return f"Store({self.card.name!r}, {counts}, {str(self.folder)!r})"

    def __reduce__(self):
        """Pickle as the place on disk, so that worker processes map the files themselves."""
        return Store.open, (self.folder,)

    def __getitem__(self, index: Index) -> Structures:
        """Gather structures in the order given (repeats allowed); ``int`` gives a batch of one.

        Raises
        ------
        IndexError
            A number is out of range, or a mask has the wrong length.
        """
        rows = _rows(index, len(self))
        if len(self.record.shards) == 1:
            return gather_from_one(self.shard(0), rows, self.properties, self.record.dtypes)
        which = np.searchsorted(self._starts, rows, side="right") - 1
        met = np.unique(which) if len(rows) else np.zeros(1, np.int64)
        if 0 < len(rows) <= FEW * len(met) and self._in_table(met):
            return self._table.gather(which, rows - self._starts[which])
        parts = []
        for k in met:
            places = np.flatnonzero(which == k)
            parts.append(Part(self.shard(int(k)), rows[places] - self._starts[k], places))
        return gather(len(rows), parts, self.properties, self.record.dtypes)

    @cached_property
    def ids(self) -> list[str]:
        """Name of each structure in its source."""
        return [name for shard in self._all_shards() for name in shard.ids.to_pylist()]

    @cached_property
    def counts(self) -> np.ndarray:
        """Atoms of each structure."""
        return np.concatenate([np.diff(shard.offsets) for shard in self._all_shards()])

    def values(self, name: str) -> np.ndarray:
        """All values of one column: ``numbers``, ``positions``, ``cell``, ``pbc`` or a label.

        Read-only and in place where the store has one shard; joined from the shards otherwise.

        Raises
        ------
        KeyError
            The store has no such column.
        """
        if name not in GEOMETRY:
            self.property(name)
        read = [getattr(s, name) if name in GEOMETRY else self._label(s, name) for s in self._all_shards()]
        return read[0] if len(read) == 1 else np.concatenate(read)

    def property(self, name: str) -> Property:
        """Property of a label.

        Raises
        ------
        KeyError
            The store has no such label; the message lists those it has.
        """
        if name not in self.properties:
            known = list(self.properties)
            raise KeyError(
                f"{self.card.name} has no label {name!r}{suggest(name, known)} It has: {known or 'none'}"
            )
        return self.properties[name]

    @cached_property
    def splits(self) -> dict[str, np.ndarray]:
        """Fixed splits: name → structure numbers.

        Raises
        ------
        BrokenStore
            The file of splits is not the one the card was written with.
        """
        if not self.card.splits:
            return {}
        path = self.folder / SPLITS
        if not path.is_file() or sha256(path) != self.record.splits_sha256:
            raise BrokenStore(f"{path} is missing or was altered; write the store anew")
        return {k: np.array(v, dtype=np.int64) for k, v in json.loads(path.read_text())["splits"].items()}

    def split(self, name: str) -> np.ndarray:
        """Structure numbers of a fixed split.

        Raises
        ------
        KeyError
            The store has no split of that name.
        """
        if name not in self.splits:
            known = list(self.splits)
            raise KeyError(
                f"{self.card.name} has no split {name!r}{suggest(name, known)} It has: {known or 'none'}"
            )
        return self.splits[name]

    def rows_of(self, ids: Sequence[str]) -> np.ndarray:
        """Structure numbers of the given ids.

        Raises
        ------
        KeyError
            Some ids are not in this store.
        """
        missing = [i for i in ids if i not in self._row_of]
        if missing:
            raise KeyError(
                f"{len(missing)} of {len(ids)} ids are not in {self.card.name}, for instance {missing[:3]}; "
                f"its ids look like {self.ids[:3]}"
            )
        return np.array([self._row_of[i] for i in ids], dtype=np.int64)

    def verify(self, progress: Callable[[int], None] | None = None) -> None:
        """Read every file and compare its checksum with the card; ``progress`` gets the bytes read.

        Raises
        ------
        BrokenStore
            A checksum differs; the message names the file.
        """
        for shard in self.record.shards:
            path = self.folder / shard.file
            check_size(path, shard)
            if (found := sha256(path)) != shard.sha256:
                raise BrokenStore(
                    f"{path} was altered: sha256 {found}, the card says {shard.sha256}; write the store anew"
                )
            if progress is not None:
                progress(shard.size)
        if fingerprint_of(self.record.shards) != self.fingerprint:
            raise BrokenStore(f"the fingerprint in {self.folder / CARD} does not fit its list of shards")
        Store(self.folder, self.record, self._card).splits  # noqa: B018  reads the file and compares its checksum

    def shard(self, k: int) -> Shard:
        """Shard number k, mapped at first use.

        Raises
        ------
        BrokenStore
            It is missing, has another size, or another store has been put in the place of the one opened.
        """
        if k not in self._shards:
            record = self.record.shards[k]
            self._refuse_replaced(k)
            check_size(self.folder / record.file, record)
            shard = map_shard(self.folder / record.file, self.properties)
            self._refuse_replaced(k)
            self._shards[k] = shard
        return self._shards[k]

    def _refuse_replaced(self, k: int) -> None:
        """Shards stay when a store is appended to; another store in its place has shards of its own."""
        if card_seen(self.folder) != self._card:
            shards = read_record(self.folder).shards
            if shards[k : k + 1] != self.record.shards[k : k + 1]:
                raise BrokenStore(f"{self.folder} was replaced since it was opened; open it again")

    @cached_property
    def _table(self) -> ShardTable:
        return ShardTable(len(self.record.shards), self.properties, self.record.dtypes)

    def _in_table(self, shards: np.ndarray) -> bool:
        """Whether native code can gather from these shards; those not met before are mapped."""
        new = shards[~self._table.known[shards]].tolist()
        return available() and all(self._table.add(k, self.shard(k)) for k in new)

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.ids)}

    def _all_shards(self) -> list[Shard]:
        return [self.shard(k) for k in range(len(self.record.shards))]

    def _label(self, shard: Shard, name: str) -> np.ndarray:
        prop = self.properties[name]
        n = len(shard.numbers) if prop.per == "atom" else len(shard.cell)
        return shard.labels.get(name, np.full((n, *prop.shape), np.nan, self.record.dtypes[name]))


def _rows(index: Index, n: int) -> np.ndarray:
    """Non-negative row numbers; arrays that are such already, as of shuffled batches, are only looked at."""
    if isinstance(index, np.ndarray) and index.dtype == np.int64 and index.ndim == 1 and len(index):
        low, high = index.min(), index.max()
        if low >= 0 and high < n:
            return index
    return chosen_rows(index, n, CPU).numpy()
