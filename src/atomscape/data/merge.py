"""Join stores into one that shares their files: shards are linked, not copied, where the disk allows it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from atomscape import __version__
from atomscape.data.atomic import atomic_folder
from atomscape.data.card import Card
from atomscape.data.contents import Contents
from atomscape.data.record import ShardRecord
from atomscape.data.shard_files import Progress, rewrite_ids
from atomscape.data.store import Store
from atomscape.data.write import finish_files


def merge_stores(
    target: str | Path,
    stores: Sequence[Store],
    *,
    names: Sequence[str] | None = None,
    card: Card | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Store:
    """Write a store with the structures of all ``stores``, in their order, and open it.

    Where an id stands in two stores, all ids get the name of their dataset before them (``qm9:gdb_1``), and
    the shards are written anew; otherwise they are linked. Fixed splits of the same name are joined.

    Parameters
    ----------
    names
        Names of the datasets; by default those on their cards.
    card
        What the result says of itself; by default licence, citation and level of theory of all, each with
        the name of its dataset where they differ.

    Raises
    ------
    FileExistsError
        The folder exists and ``overwrite`` is False.
    ValueError
        Fewer than two stores; a label that means different things in two; ids that would not be unique.
    """
    target = Path(target)
    names = list(names or (s.card.name for s in stores))
    if len(stores) < 2 or len(names) != len(stores):
        raise ValueError(
            f"{len(stores)} stores and {len(names)} names given; merging needs two stores at least"
        )
    contents = Contents()
    for name, store in zip(names, stores, strict=True):
        contents = contents.joined(Contents.of(store.record), f"merging {name}")
    prefixed = shared_ids(*stores) > 0
    if prefixed and len(set(names)) < len(names):
        raise ValueError(
            f"the stores have ids in common and cannot be told apart by name: {names}; merging puts the name "
            "before such ids, so give other names"
        )
    with atomic_folder(target, overwrite) as hidden:
        shards: list[ShardRecord] = []
        for name, store in zip(names, stores, strict=True):
            for record in store.record.shards:
                source, final = store.folder / record.file, hidden / f"shard-{len(shards):05d}.arrow"
                shards.append(_placed(source, record, final, name if prefixed else ""))
                if progress is not None:
                    progress(record.structures)
        whole = Contents(tuple(shards), contents.properties, contents.dtypes, contents.elements)
        finish_files(hidden, card or merged_card(target.name, names, stores), whole, _splits(stores))
    return Store.open(target)


def merged_card(name: str, names: Sequence[str], stores: Sequence[Store]) -> Card:
    """Say of all datasets what their cards say: once where they agree, each with its name where not."""

    def told(field: str, *nothing: str) -> str:
        texts = [getattr(store.card, field) for store in stores]
        if len(set(texts)) == 1:
            return texts[0]
        return "; ".join(f"{n}: {t}" for n, t in zip(names, texts, strict=True) if t not in nothing)

    origins = ", ".join(f"{n} (fingerprint {s.fingerprint})" for n, s in zip(names, stores, strict=True))
    return Card(
        name=name,
        title=" + ".join(s.card.title or n for n, s in zip(names, stores, strict=True)),
        licence=told("licence"),
        citation=told("citation", ""),
        level_of_theory=told("level_of_theory"),
        url=told("url", ""),
        provenance=f"merged from {origins} by atomscape {__version__}",
        columns=tuple(f"{n}: {c}" for n, s in zip(names, stores, strict=True) for c in s.card.columns),
    )


def shared_ids(before: Store, *after: Store) -> int:
    """How many structures of each store bear an id of a store named before it, in all."""
    seen, count = _ids(before), 0
    for store in after:
        ids = _ids(store)
        known = pc.is_in(ids, value_set=seen)  # pyright: ignore[reportAttributeAccessIssue]
        count += pc.sum(known).as_py() or 0  # pyright: ignore[reportAttributeAccessIssue]
        seen = pa.chunked_array([*seen.chunks, *ids.chunks])
    return count


def _ids(store: Store) -> pa.ChunkedArray:
    return pa.chunked_array([store.shard(k).ids for k in range(len(store.record.shards))])


def _placed(source: Path, record: ShardRecord, final: Path, prefix: str) -> ShardRecord:
    """Put a shard where the new store wants it: linked, copied where links are not possible, or rewritten."""
    if prefix:
        return rewrite_ids(source, record, lambda ids: _with_prefix(ids, prefix), final)
    try:
        os.link(source, final)
    except OSError:
        shutil.copyfile(source, final)
    return record.model_copy(update={"file": final.name})


def _with_prefix(ids: pa.Array, prefix: str) -> pa.Array:
    return pc.binary_join_element_wise(pa.scalar(prefix), ids, ":")  # pyright: ignore[reportAttributeAccessIssue]


def _splits(stores: Sequence[Store]) -> Mapping[str, np.ndarray]:
    found: dict[str, list[np.ndarray]] = {}
    start = 0
    for store in stores:
        for name, rows in store.splits.items():
            found.setdefault(name, []).append(rows + start)
        start += len(store)
    return {name: np.concatenate(parts) for name, parts in found.items()}
