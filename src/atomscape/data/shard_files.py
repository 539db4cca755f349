"""Cut a stream of structures into shards of bounded size and write them, one held in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import torch
from ase.data import chemical_symbols

from atomscape.atoms.properties import Property, free_property, property_named
from atomscape.atoms.structures import Structures
from atomscape.atoms.validate import check
from atomscape.data.contents import Contents
from atomscape.data.record import ShardRecord
from atomscape.data.shards import as_floating, sha256, write_shard

Progress = Callable[[int], None]
"""Called with the number of structures that have just been taken in."""

JOINED = 512
"""So many incoming batches are joined at once: a hundred thousand batches of one would be costly to keep."""


def write_shards(
    folder: Path,
    batches: Iterable[Structures],
    properties: Mapping[str, Property],
    name: str,
    shard_atoms: int,
    *,
    stem: str = "shard-",
    first: int = 0,
    start: int | None = 0,
    progress: Progress | None = None,
) -> Contents:
    """Write shards named ``stem`` and a number from ``first`` on; structures without an id get their row.

    Parameters
    ----------
    properties
        What is known of labels beforehand. Labels are written in this order, new ones behind.
    name
        Name of the dataset, with which messages begin.
    start
        Row of the first structure; None where it is not known yet: then ids that are missing stay empty.

    Raises
    ------
    ValueError
        Structures are ill-formed, or a label has the wrong shape.
    """
    contents, known = Contents(), dict(properties)
    for structures in _regrouped(batches, shard_atoms, progress or (lambda n: None)):
        row = None if start is None else start + contents.n_structures
        for label, values in structures.labels.items():
            prop = known.setdefault(label, _property_of(label, values, structures))
            _check_label(prop, values, structures, name)
        check(structures, f"{name}, counted from structure {row}" if row else name)
        path = folder / f"{stem}{first + len(contents.shards):05d}.arrow"
        write_shard(path, structures if row is None else _named(structures, row), known)
        here = Contents(
            (_record(path, len(structures), structures.n_atoms),),
            {label: p for label, p in known.items() if label in structures.labels},
            {k: str(as_floating(v[:0]).numpy().dtype) for k, v in structures.labels.items()},
            frozenset(chemical_symbols[z] for z in structures.numbers.unique().tolist()),
        )
        contents = contents.joined(here, name)
    return contents


def rewrite_ids(
    path: Path, record: ShardRecord, ids: Callable[[pa.Array], pa.Array], target: Path
) -> ShardRecord:
    """Write a shard with other ids to ``target``; all other columns are copied as they are."""
    with pa.memory_map(str(path)) as source:
        batch = pa.ipc.open_file(source).get_batch(0)
        columns = [ids(c) if n == "id" else c for n, c in zip(batch.schema.names, batch.columns, strict=True)]
        written = pa.record_batch(columns, names=batch.schema.names)
        with pa.OSFile(str(target), "wb") as sink, pa.ipc.new_file(sink, written.schema) as writer:
            writer.write_batch(written)
    return _record(target, record.structures, record.atoms)


def _record(path: Path, structures: int, atoms: int) -> ShardRecord:
    return ShardRecord(
        file=path.name, structures=structures, atoms=atoms, size=path.stat().st_size, sha256=sha256(path)
    )


def _regrouped(batches: Iterable[Structures], shard_atoms: int, progress: Progress) -> Iterator[Structures]:
    """Join incoming batches until a shard is full; one batch is never cut."""
    waiting: list[Structures] = []
    atoms = joined = 0
    for batch in batches:
        if not len(batch):
            continue
        if waiting and atoms + batch.n_atoms > shard_atoms:
            full, waiting, atoms, joined = Structures.concatenate(waiting), [], 0, 0
            yield full
            del full
        waiting.append(batch.to("cpu"))
        atoms += batch.n_atoms
        progress(len(batch))
        if len(waiting) - joined == JOINED:
            waiting[joined:] = [Structures.concatenate(waiting[joined:])]
            joined += 1
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


def _check_label(prop: Property, values: torch.Tensor, structures: Structures, name: str) -> None:
    expected = (structures.n_atoms if prop.per == "atom" else len(structures), *prop.shape)
    if tuple(values.shape) != expected:
        raise ValueError(
            f"{name}: label {prop.name!r} ({prop.per}, one value has shape {prop.shape}) has shape "
            f"{tuple(values.shape)} for {len(structures)} structures of {structures.n_atoms} atoms; "
            f"expected {expected}"
        )
