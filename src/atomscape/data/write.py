"""Write the files of a store: shards of bounded size, the fixed splits, the card."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from ase.data import chemical_symbols

from atomscape.atoms.properties import Property, free_property, property_named
from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, PropertyRecord
from atomscape.data.record import CARD, FORMAT, SPLITS, ShardRecord, StoreRecord, fingerprint_of
from atomscape.data.shards import as_floating, sha256, write_shard


def write_files(
    folder: Path,
    batches: Iterable[Structures],
    card: Card,
    splits: Mapping[str, np.ndarray] | None,
    shard_atoms: int,
) -> None:
    """Fill an empty folder with the shards, ``splits.json`` and, last, ``card.json``.

    Raises
    ------
    ValueError
        There are no structures, a label has the wrong shape, or a split names rows that do not exist.
    """
    properties: dict[str, Property] = {p.name: p.property() for p in card.properties}
    declared = list(properties)
    dtypes: dict[str, str] = {}
    shards: list[ShardRecord] = []
    elements: set[int] = set()
    for structures in _regrouped(batches, shard_atoms, card.name):
        start = sum(s.structures for s in shards)
        structures = _named(structures, start)
        for name, values in structures.labels.items():
            properties.setdefault(name, _property_of(name, values, structures))
            _check_label(properties[name], values, structures, card.name)
            dtypes[name] = str(np.result_type(dtypes.get(name, "float32"), as_floating(values).numpy().dtype))
        path = folder / f"shard-{len(shards):05d}.arrow"
        write_shard(path, structures, properties)
        shards.append(
            ShardRecord(
                file=path.name,
                structures=len(structures),
                atoms=structures.n_atoms,
                size=path.stat().st_size,
                sha256=sha256(path),
            )
        )
        elements.update(structures.numbers.unique().tolist())
    if not shards:
        raise ValueError(f"{card.name}: nothing to write, the reader gave no structures")
    absent = [name for name in declared if name not in dtypes]
    n = sum(s.structures for s in shards)
    splits = {name: _checked_split(name, rows, n) for name, rows in (splits or {}).items()}
    card = card.with_counts(
        properties=tuple(PropertyRecord.of(p) for name, p in properties.items() if name not in absent),
        n_structures=n,
        n_atoms=sum(s.atoms for s in shards),
        elements=tuple(chemical_symbols[z] for z in sorted(elements)),
        splits={name: len(rows) for name, rows in splits.items()},
    )
    record = StoreRecord(
        format=FORMAT,
        fingerprint=fingerprint_of(shards),
        card=card,
        shards=tuple(shards),
        dtypes=dtypes,
        splits_sha256=_write_splits(folder / SPLITS, card.name, splits) if splits else "",
    )
    (folder / CARD).write_text(
        json.dumps(record.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"
    )


def _regrouped(batches: Iterable[Structures], shard_atoms: int, name: str) -> Iterator[Structures]:
    """Join incoming batches until a shard is full; one batch is never cut."""
    waiting: list[Structures] = []
    atoms = 0
    for batch in batches:
        if not len(batch):
            continue
        if waiting and atoms + batch.n_atoms > shard_atoms:
            yield Structures.concatenate(waiting)
            waiting, atoms = [], 0
        waiting.append(batch.to("cpu"))
        atoms += batch.n_atoms
    if waiting:
        yield Structures.concatenate(waiting)


def _named(structures: Structures, start: int) -> Structures:
    """Give structures without a name their row number as id."""
    ids = structures.ids or ("",) * len(structures)
    ids = tuple(i or str(start + k) for k, i in enumerate(ids))
    return Structures(
        structures.positions, structures.numbers, structures.cell, structures.pbc, structures.structure,
        structures.labels, ids,
    )  # fmt: skip


def _property_of(name: str, values: torch.Tensor, structures: Structures) -> Property:
    known = property_named(name)
    if known is not None:
        return known
    per = "atom" if values.shape[0] == structures.n_atoms != len(structures) else "structure"
    free = free_property(name, per)
    shape = tuple(values.shape[1:])
    return free if not shape else Property(**{**vars(free), "shape": shape})


def _check_label(prop: Property, values: torch.Tensor, structures: Structures, name: str) -> None:
    expected = (structures.n_atoms if prop.per == "atom" else len(structures), *prop.shape)
    if tuple(values.shape) != expected:
        raise ValueError(
            f"{name}: label {prop.name!r} ({prop.per}, one value has shape {prop.shape}) has shape "
            f"{tuple(values.shape)} for {len(structures)} structures of {structures.n_atoms} atoms; "
            f"expected {expected}"
        )


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
