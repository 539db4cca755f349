"""One shard of a store: an Arrow IPC file with one record batch, memory-mapped.

A row is a structure. Columns of atoms are lists whose flat values and offsets are read in place:

==============  ==========================================  =======================
``id``          string                                      name in the source
``numbers``     list of uint8                               atomic numbers
``positions``   list of 3 doubles                           Å
``cell``        9 doubles                                   Å, rows are lattice vectors
``pbc``         3 bytes                                     0 or 1
``label:NAME``  (list of) floats or fixed-size lists        NaN = not known
==============  ==========================================  =======================
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from atomscape.atoms.properties import Property
from atomscape.atoms.structures import Structures

LABEL = "label:"


class BrokenStore(OSError):
    """A store on disk that is not what its card says: truncated, altered or incomplete."""


@dataclass(frozen=True, eq=False)
class Shard:
    """Views into a mapped file; nothing is read before it is indexed.

    ``offsets[i]`` is the first atom of structure i. Arrays are read-only.
    """

    offsets: np.ndarray
    numbers: np.ndarray
    positions: np.ndarray
    cell: np.ndarray
    pbc: np.ndarray
    ids: pa.Array
    labels: Mapping[str, np.ndarray]


def write_shard(path: Path, structures: Structures, properties: Mapping[str, Property]) -> None:
    """Write one shard; positions and cells become float64, labels keep float32 or float64.

    Labels are written in the order of ``properties``, so that the same content gives the same bytes.
    """
    offsets = structures.offsets.numpy()
    columns = {
        "id": pa.array(structures.ids, pa.string()),
        "numbers": _ragged(structures.numbers.numpy().astype(np.uint8), offsets),
        "positions": _ragged(structures.positions.numpy().astype(np.float64), offsets),
        "cell": _rows(structures.cell.numpy().astype(np.float64)),
        "pbc": _rows(structures.pbc.numpy().astype(np.uint8)),
    }
    for name in (n for n in properties if n in structures.labels):
        array = as_floating(structures.labels[name]).detach().cpu().numpy()
        columns[LABEL + name] = _ragged(array, offsets) if properties[name].per == "atom" else _rows(array)
    table = pa.record_batch(list(columns.values()), names=list(columns))
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_batch(table)


def map_shard(path: Path, properties: Mapping[str, Property]) -> Shard:
    """Map a shard into memory.

    Raises
    ------
    BrokenStore
        The file is missing or is no Arrow file any more.
    """
    try:
        batch = pa.ipc.open_file(pa.memory_map(str(path))).get_batch(0)
        numbers = batch.column("numbers")
        labels = {
            n[len(LABEL) :]: _flat(batch.column(n), properties[n[len(LABEL) :]])
            for n in batch.schema.names
            if n.startswith(LABEL)
        }
        return Shard(
            _numpy(numbers.offsets),
            _numpy(numbers.values),
            _numpy(batch.column("positions").values.values).reshape(-1, 3),
            _numpy(batch.column("cell").values).reshape(-1, 3, 3),
            _numpy(batch.column("pbc").values).reshape(-1, 3),
            batch.column("id"),
            labels,
        )
    except (OSError, pa.ArrowException, KeyError) as error:
        raise BrokenStore(f"shard {path} cannot be read ({error}); write the store anew") from error


def sha256(path: Path, algorithm: str = "sha256") -> str:
    """Checksum of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def as_floating(values: torch.Tensor) -> torch.Tensor:
    """Labels as they are stored: float32 and float64 stay, anything else becomes float64."""
    return values if values.dtype in (torch.float32, torch.float64) else values.to(torch.float64)


def _rows(array: np.ndarray) -> pa.Array:
    """One Arrow value per row: a number, or a fixed-size list."""
    width = math.prod(array.shape[1:])
    flat = pa.array(np.ascontiguousarray(array).reshape(-1))
    return flat if array.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, width)


def _ragged(array: np.ndarray, offsets: np.ndarray) -> pa.Array:
    return pa.LargeListArray.from_arrays(pa.array(offsets.astype(np.int64)), _rows(array))


def _flat(column: pa.Array, prop: Property) -> np.ndarray:
    values = column.values if prop.per == "atom" else column
    return _numpy(values.values if prop.shape else values).reshape(-1, *prop.shape)


def _numpy(array: pa.Array) -> np.ndarray:
    return array.to_numpy(zero_copy_only=True)
