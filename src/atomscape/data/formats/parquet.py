"""Parquet files, and folders of Parquet or Arrow files as Hugging Face ``datasets`` keeps them.

A row is a structure. Written are ``id``, ``numbers``, ``positions`` [atoms, 3], ``cell`` [3, 3], ``pbc`` and
each label under its name, lists of lists of doubles; the schema's metadata describe them. Read are the
spellings of ``atomscape.data.foreign_rows`` besides, as ColabFit's (``atomic_numbers``, ``atomic_forces``,
``cauchy_stress``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from ase import Atoms

from atomscape.atoms.properties import Property
from atomscape.atoms.structures import Structures
from atomscape.data.card import Card
from atomscape.data.described import KEY, arrays_of, described, description, ids_of, properties_in
from atomscape.data.foreign_rows import atoms_of
from atomscape.data.format import Piece
from atomscape.data.reading import Reading

title = "Parquet, and folders of Parquet or Arrow files (Hugging Face datasets)"
suffixes = (".parquet",)
trust = False
BATCH = 1024
MARKS = ("dataset_info.json", "state.json", "dataset_dict.json")
"""Files of a folder that ``datasets`` saved."""


def inputs(path: Path) -> list[Path]:
    """The file; or the Parquet or Arrow files of a folder that ``datasets`` saved."""
    if path.is_file():
        return (
            [path]
            if path.suffix in (".parquet", ".arrow") and not (path.parent / "card.json").is_file()
            else []
        )
    if not path.is_dir() or (path / "card.json").is_file():
        return []
    if not any((path / name).is_file() for name in ("dataset_info.json", "state.json", "dataset_dict.json")):
        return []
    return sorted(p for p in path.rglob("*") if p.suffix in (".parquet", ".arrow"))


def pieces(path: Path) -> list[Piece]:
    """Row groups of Parquet files; Arrow files as wholes."""
    found = []
    first = 0
    for file in inputs(path):
        if file.suffix == ".arrow":
            found.append(Piece(file, first=first))
            first += sum(len(batch) for batch in _arrow(file))
            continue
        metadata = pq.ParquetFile(file).metadata
        for group in range(metadata.num_row_groups):
            found.append(Piece(file, group, group + 1, first))
            first += metadata.row_group(group).num_rows
    return found


def rows(piece: Piece, reading: Reading) -> Iterator[Atoms]:
    """Structures of some row groups."""
    if piece.path.suffix == ".arrow":
        batches, text = _arrow(piece.path), None
    else:
        file = pq.ParquetFile(piece.path)
        groups = range(piece.start, file.num_row_groups if piece.stop is None else piece.stop)
        batches = file.iter_batches(BATCH, row_groups=list(groups))
        text = (file.schema_arrow.metadata or {}).get(KEY.encode())
    told = described(text)
    for batch in batches:
        for row in _dictionaries(batch):
            shaped = {k: _shaped(v, told.shapes.get(k), told.per.get(k)) for k, v in row.items()}
            yield atoms_of(shaped, described=told)


def write(path: Path, batches: Iterable[Structures], card: Card) -> None:
    """Write one Parquet file, a row group for each batch."""
    writer: pq.ParquetWriter | None = None
    properties: dict[str, Property] = {}
    first = 0
    try:
        for batch in batches:
            if writer is None:
                properties = properties_in(card, batch)
                text = description(properties, card)
            table = _table(batch, properties, first).replace_schema_metadata({KEY: text})
            if writer is None:
                writer = pq.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table, row_group_size=len(batch))
            first += len(batch)
    finally:
        if writer is not None:
            writer.close()


def _table(batch: Structures, properties: dict[str, Property], first: int) -> pa.Table:
    offsets = pa.array(batch.offsets.numpy().astype(np.int32))
    columns: dict[str, pa.Array] = {"id": pa.array(ids_of(batch, first), pa.string())}
    atomic = {"positions", "numbers"} | {name for name, p in properties.items() if p.per == "atom"}
    for name, array in arrays_of(batch, properties).items():
        flat = _lists(array)
        columns[name] = pa.ListArray.from_arrays(offsets, flat) if name in atomic else flat
    return pa.table(columns)


def _lists(array: np.ndarray) -> pa.Array:
    """One value per row: a number, or lists as deep as the array."""
    made = pa.array(np.ascontiguousarray(array).reshape(-1))
    for axis in range(array.ndim - 1, 0, -1):
        count, width = math.prod(array.shape[:axis]), array.shape[axis]
        offsets = pa.array(
            np.arange(0, count * width + 1, width, dtype=np.int32) if width else [0] * (count + 1)
        )
        made = pa.ListArray.from_arrays(offsets.cast(pa.int32()), made)
    return made


def _arrow(path: Path) -> Iterator[pa.RecordBatch]:
    """Batches of an Arrow file of either kind, mapped."""
    with pa.memory_map(str(path)) as mapped:
        try:
            reader = pa.ipc.open_file(mapped)
            yield from (reader.get_batch(k) for k in range(reader.num_record_batches))
        except pa.ArrowInvalid:
            mapped.seek(0)
            yield from pa.ipc.open_stream(mapped)


def _dictionaries(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    columns = {name: batch.column(name) for name in batch.schema.names}
    for k in range(batch.num_rows):
        yield {name: _value(column[k]) for name, column in columns.items()}


def _value(scalar: pa.Scalar) -> Any:
    """A number or text; nested lists of equal lengths as an array; anything else as Python has it."""
    if not scalar.is_valid:
        return None
    values: Any = getattr(scalar, "values", None)
    shape: list[int] = []
    if not isinstance(values, pa.Array):
        return scalar.as_py()
    while True:
        shape.append(len(values) // max(1, math.prod(shape)))
        if math.prod(shape) != len(values):
            return scalar.as_py()
        if not (pa.types.is_list(values.type) or pa.types.is_large_list(values.type) or _fixed(values.type)):
            break
        values = values.flatten()
    if not (pa.types.is_primitive(values.type) or pa.types.is_boolean(values.type)):
        return scalar.as_py()
    return values.to_numpy(zero_copy_only=False).reshape(shape)


def _fixed(kind: pa.DataType) -> bool:
    return pa.types.is_fixed_size_list(kind)


def _shaped(value: Any, shape: tuple[int, ...] | None, per: str | None) -> Any:
    """The shape of an array of nothing is lost in lists; the description has it."""
    if shape is None or not isinstance(value, np.ndarray):
        return value
    return value.reshape((-1, *shape) if per == "atom" else shape) if value.size else value
