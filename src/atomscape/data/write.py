"""Write the files of a store: shards of bounded size, the fixed splits, the card."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from ase.data import chemical_symbols

from atomscape.atoms.properties import Property, free_property, property_named
from atomscape.atoms.structures import Structures
from atomscape.atoms.validate import check
from atomscape.data.card import Card, records
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
        There are no structures, some are ill-formed, a label has the wrong shape, or a split names rows
        that do not exist.
    """
    properties = {p.name: p.property() for p in card.properties}
    _check_units(properties, card.name)
    shards = _Shards(folder, card.name, properties)
    for structures in _regrouped(batches, shard_atoms):
        shards.add(structures)
    if not shards.records:
        raise ValueError(f"{card.name}: nothing to write, the reader gave no structures")
    n = shards.n_structures
    splits = {name: _checked_split(name, rows, n) for name, rows in (splits or {}).items()}
    card = card.with_counts(
        properties=records(*(p for name, p in shards.properties.items() if name in shards.dtypes)),
        n_structures=n,
        n_atoms=sum(s.atoms for s in shards.records),
        elements=tuple(chemical_symbols[z] for z in sorted(shards.elements)),
        splits={name: len(rows) for name, rows in splits.items()},
    )
    record = StoreRecord(
        format=FORMAT,
        fingerprint=fingerprint_of(shards.records),
        card=card,
        shards=tuple(shards.records),
        dtypes=shards.dtypes,
        splits_sha256=_write_splits(folder / SPLITS, card.name, splits) if splits else "",
    )
    text = json.dumps(record.model_dump(mode="json"), indent=1, ensure_ascii=False)
    (folder / CARD).write_text(text + "\n")


@dataclass(eq=False)
class _Shards:
    """Shards written so far and what was met in them."""

    folder: Path
    name: str
    properties: dict[str, Property]
    records: list[ShardRecord] = field(default_factory=list)
    dtypes: dict[str, str] = field(default_factory=dict)
    elements: set[int] = field(default_factory=set)

    @property
    def n_structures(self) -> int:
        return sum(s.structures for s in self.records)

    def add(self, structures: Structures) -> None:
        start = self.n_structures
        check(structures, f"{self.name}, counted from structure {start}" if start else self.name)
        for name, values in structures.labels.items():
            prop = self.properties.setdefault(name, _property_of(name, values, structures))
            _check_label(prop, values, structures, self.name)
            dtype = as_floating(values[:0]).numpy().dtype
            self.dtypes[name] = str(np.result_type(self.dtypes.get(name, "float32"), dtype))
        path = self.folder / f"shard-{len(self.records):05d}.arrow"
        write_shard(path, _named(structures, start), self.properties)
        record = ShardRecord(
            file=path.name,
            structures=len(structures),
            atoms=structures.n_atoms,
            size=path.stat().st_size,
            sha256=sha256(path),
        )
        self.records.append(record)
        self.elements.update(structures.numbers.unique().tolist())


def _regrouped(batches: Iterable[Structures], shard_atoms: int) -> Iterator[Structures]:
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
    return replace(structures, ids=tuple(i or str(start + k) for k, i in enumerate(ids)))


def _property_of(name: str, values: torch.Tensor, structures: Structures) -> Property:
    known = property_named(name)
    if known is not None:
        return known
    free = free_property(name, "atom" if structures.runs_over_atoms(name) else "structure")
    return replace(free, shape=tuple(values.shape[1:]))


def _check_units(properties: Mapping[str, Property], name: str) -> None:
    for prop in properties.values():
        known = property_named(prop.name)
        if known is not None and known.unit != prop.unit:
            raise ValueError(
                f"{name}: the card gives {prop.name!r} in {prop.unit!r}; the vocabulary keeps it in "
                f"{known.unit!r}. Convert it in the reader, or give it another name"
            )


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
