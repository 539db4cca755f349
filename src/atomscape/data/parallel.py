"""Write a store from many processes: each piece of a dataset is read, and its shards written, by one of them.

Each piece begins a new shard, so that the files do not depend on how many processes there were, nor on which
was faster. Pieces should be thousands of structures: a file, a range of rows, some folders.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from atomscape.atoms.structures import Structures
from atomscape.data.atomic import atomic_folder
from atomscape.data.card import Card
from atomscape.data.contents import Contents
from atomscape.data.processes import in_processes
from atomscape.data.record import ShardRecord
from atomscape.data.shard_files import Progress, rewrite_ids, write_shards
from atomscape.data.store import Store
from atomscape.data.write import finish_files, properties_of

TOLD_EVERY = 0.2
"""Seconds between two words of a process on how far it is."""


def write_store_parallel(
    folder: str | Path,
    pieces: Sequence[Any],
    read: Callable[[Any], Iterable[Structures]],
    card: Card,
    splits: Mapping[str, np.ndarray] | None = None,
    *,
    workers: int,
    overwrite: bool = False,
    shard_atoms: int = 4_000_000,
    progress: Progress | None = None,
) -> Store:
    """Write the structures of all pieces, in the order of the pieces, to a new store and open it.

    Parameters
    ----------
    pieces
        Values that can be pickled: paths, ranges of rows.
    read
        A function at the top level of a module; ``read(piece)`` gives structures in batches.
    workers
        Number of processes; the files are the same for any. Each holds a shard in memory at a time.
    progress
        Called with the number of structures read since it was called last.

    Raises
    ------
    FileExistsError
        The folder exists and ``overwrite`` is False.
    ValueError
        There are no structures, some are ill-formed, a label or a split does not fit them, or the function
        cannot be sent to other processes.
    ChildProcessError
        A process was killed; the message names the piece it worked on.
    OSError, LookupError, ImportError, RuntimeError
        A piece cannot be read or the place cannot be written; the message names the piece.
    """
    folder = Path(folder)
    properties_of(card)
    with atomic_folder(folder, overwrite) as hidden:
        write = _Write(hidden, read, card, shard_atoms)
        numbered = [_Piece(k, piece) for k, piece in enumerate(pieces)]
        parts = in_processes(write, numbered, workers, progress or (lambda n: None))
        contents = Contents(properties=properties_of(card))
        for part in parts:
            contents = contents.joined(_placed(hidden, part, contents), card.name)
        finish_files(hidden, card, contents, splits)
    return Store.open(folder)


@dataclass(frozen=True)
class _Piece:
    """A piece and its place in the order; messages show the piece alone."""

    number: int
    what: Any

    def __str__(self) -> str:
        return f"piece {self.number}: {self.what}"


@dataclass(frozen=True)
class _Write:
    """The task of a process: read one piece and write its shards; ids that are missing come later."""

    folder: Path
    read: Callable[[Any], Iterable[Structures]]
    card: Card
    shard_atoms: int

    def __call__(self, piece: _Piece, tell: Callable[[int], None]) -> tuple[Contents, bool]:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            batches = _Watched(self.read(piece.what), tell)
            contents = write_shards(
                self.folder, batches, properties_of(self.card), self.card.name, self.shard_atoms,
                stem=f"piece-{piece.number:07d}-", start=None,
            )  # fmt: skip
            return contents, batches.nameless
        finally:
            torch.set_num_threads(threads)


@dataclass
class _Watched:
    """Batches on their way: counts them now and then, and notes whether a structure had no id."""

    batches: Iterable[Structures]
    tell: Callable[[int], None]
    nameless: bool = False

    def __iter__(self):
        count, told = 0, time.monotonic()
        for batch in self.batches:
            yield batch
            count += len(batch)
            self.nameless |= not batch.ids or not all(batch.ids)
            if time.monotonic() - told > TOLD_EVERY:
                self.tell(count)
                count, told = 0, time.monotonic()
        if count:
            self.tell(count)


def _placed(folder: Path, part: tuple[Contents, bool], before: Contents) -> Contents:
    """Give the shards of a piece their final names, and their structures ids where they have none."""
    contents, nameless = part
    records: list[ShardRecord] = []
    start = before.n_structures
    for k, record in enumerate(contents.shards, len(before.shards)):
        final, given = folder / f"shard-{k:05d}.arrow", folder / record.file
        if nameless:
            records.append(
                rewrite_ids(given, record, lambda ids, first=start: _rows_as_ids(ids, first), final)
            )
            given.unlink()
        else:
            given.rename(final)
            records.append(record.model_copy(update={"file": final.name}))
        start += record.structures
    return Contents(tuple(records), contents.properties, contents.dtypes, contents.elements)


def _rows_as_ids(ids: pa.Array, start: int) -> pa.Array:
    rows = pa.array(np.arange(start, start + len(ids)).astype(str))
    return pc.if_else(pc.equal(ids, ""), rows, ids)  # pyright: ignore[reportAttributeAccessIssue]
