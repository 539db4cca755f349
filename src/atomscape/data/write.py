"""Write the files of a store: the shards, the fixed splits, and last the card."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from atomscape.atoms.properties import Property, property_named
from atomscape.atoms.structures import Structures
from atomscape.data.card import Card
from atomscape.data.contents import Contents
from atomscape.data.record import CARD, SPLITS, StoreRecord
from atomscape.data.shard_files import Progress, write_shards
from atomscape.data.shards import sha256


def write_files(
    folder: Path,
    batches: Iterable[Structures],
    card: Card,
    splits: Mapping[str, np.ndarray] | None,
    shard_atoms: int,
    progress: Progress | None = None,
) -> None:
    """Fill an empty folder with the shards, ``splits.json`` and, last, ``card.json``.

    Raises
    ------
    ValueError
        There are no structures, some are ill-formed, a label has the wrong shape, or a split names rows
        that do not exist.
    """
    properties = properties_of(card)
    finish_files(
        folder,
        card,
        write_shards(folder, batches, properties, card.name, shard_atoms, progress=progress),
        splits,
    )


def finish_files(
    folder: Path, card: Card, contents: Contents, splits: Mapping[str, np.ndarray] | None
) -> None:
    """Write ``splits.json`` and the card of a new store whose shards are in the folder.

    Raises
    ------
    ValueError
        There are no structures, or a split names rows that do not exist.
    """
    if not contents.shards:
        raise ValueError(f"{card.name}: nothing to write, the reader gave no structures")
    n = contents.n_structures
    splits = {name: _checked_split(name, rows, n) for name, rows in (splits or {}).items()}
    sizes = {name: len(rows) for name, rows in splits.items()}
    checksum = _write_splits(folder / SPLITS, card.name, splits) if splits else ""
    order = {p.name: p.property() for p in card.properties}
    ordered = Contents(properties=order).joined(contents, card.name)
    write_record(folder, ordered.record(card, sizes, checksum))


def write_record(folder: Path, record: StoreRecord) -> None:
    """Put a card in place of the one that is there, in one step: a reader sees the old or the new."""
    hidden = hidden_card(folder)
    text = json.dumps(record.model_dump(mode="json"), indent=1, ensure_ascii=False)
    with hidden.open("w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    hidden.replace(folder / CARD)


def hidden_card(folder: Path) -> Path:
    """Where a card stands before it replaces the one that is there."""
    return folder / f".{CARD}.part"


def properties_of(card: Card) -> dict[str, Property]:
    """Properties that a card states.

    Raises
    ------
    ValueError
        One has another unit than the vocabulary's.
    """
    properties = {p.name: p.property() for p in card.properties}
    for prop in properties.values():
        known = property_named(prop.name)
        if known is not None and known.unit != prop.unit:
            raise ValueError(
                f"{card.name}: the card gives {prop.name!r} in {prop.unit!r}; the vocabulary keeps it in "
                f"{known.unit!r}. Convert it in the reader, or give it another name"
            )
    return properties


def _checked_split(name: str, rows, n: int) -> np.ndarray:
    rows = np.asarray(rows, dtype=np.int64).reshape(-1)
    if len(rows) and not (rows.min() >= 0 and rows.max() < n):
        raise ValueError(
            f"split {name!r} names rows {rows.min()}…{rows.max()} of a dataset of {n} structures"
        )
    if len(np.unique(rows)) != len(rows):
        raise ValueError(f"split {name!r} names some structures twice")
    return rows


def _write_splits(path: Path, dataset: str, splits: Mapping[str, np.ndarray]) -> str:
    content = {
        "name": "fixed",
        "dataset": dataset,
        "seed": None,
        "splits": {k: v.tolist() for k, v in splits.items()},
    }
    path.write_text(json.dumps(content))
    return sha256(path)
