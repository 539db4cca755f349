"""Structures given one by one, as services and JSON files do, joined into batches."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from ase.data import atomic_numbers

from atomscape.atoms.structures import Structures
from atomscape.data.card import PropertyRecord

BATCH = 4096


@dataclass(frozen=True, eq=False)
class Row:
    """One structure: ``positions`` [atoms, 3] and ``cell`` [3, 3] in Å, labels in the units of the house.

    Without a cell it is free, with one periodic in all directions unless ``pbc`` says otherwise. Labels that
    are None or left out are not known.
    """

    id: str
    numbers: Sequence[int] | np.ndarray
    positions: Any
    cell: Any = None
    labels: Mapping[str, Any] = field(default_factory=dict)
    pbc: tuple[bool, bool, bool] | None = None


def batched(
    rows: Iterable[Row], properties: Sequence[PropertyRecord], size: int = BATCH
) -> Iterator[Structures]:
    """Join rows into batches; a label of ``properties`` that no row of a batch has is left out of it.

    Raises
    ------
    ValueError
        A row is ill-formed; the message names it.
    """
    rows = iter(rows)
    while batch := list(itertools.islice(rows, size)):
        counts = np.array([len(row.numbers) for row in batch])
        labels = {p.name: _column(p, batch, counts) for p in properties if _any_has(p.name, batch)}
        yield Structures(
            torch.from_numpy(np.concatenate([_array(r, "positions", r.positions, (-1, 3)) for r in batch])),
            torch.from_numpy(np.concatenate([np.asarray(r.numbers, np.int64) for r in batch])),
            torch.from_numpy(np.stack([_array(r, "cell", _cell(r), (3, 3)) for r in batch])),
            torch.tensor([row.pbc or (row.cell is not None,) * 3 for row in batch]),
            torch.from_numpy(np.repeat(np.arange(len(batch)), counts)),
            {name: torch.from_numpy(values) for name, values in labels.items()},
            tuple(row.id for row in batch),
            frozenset(p.name for p in properties if p.per == "atom") & set(labels),
        )


def numbers_of(symbols: Iterable[str]) -> np.ndarray:
    """Atomic numbers of element symbols; D and T are hydrogen.

    Raises
    ------
    ValueError
        One is no element.
    """
    try:
        return np.array([atomic_numbers["H" if s in ("D", "T") else s] for s in symbols], dtype=np.int64)
    except KeyError as error:
        raise ValueError(f"{error} is no element") from error


def number_or_nan(value: Any) -> float:
    """A number from JSON: NaN where it is missing, null, or a word such as ``na``."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def _any_has(name: str, batch: Sequence[Row]) -> bool:
    return any(row.labels.get(name) is not None for row in batch)


def _column(prop: PropertyRecord, batch: Sequence[Row], counts: np.ndarray) -> np.ndarray:
    """Values of one label: [structures, …] or [atoms, …], NaN where a row does not know it."""
    parts = []
    for row, atoms in zip(batch, counts.tolist(), strict=True):
        shape = ((atoms,) if prop.per == "atom" else (1,)) + prop.shape
        value = row.labels.get(prop.name)
        known = value is not None
        parts.append(_array(row, prop.name, value, shape) if known else np.full(shape, np.nan))
    return np.concatenate(parts)


def _cell(row: Row) -> Any:
    return np.zeros((3, 3)) if row.cell is None else row.cell


def _array(row: Row, name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    try:
        return np.asarray(value, dtype=np.float64).reshape(shape)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{row.id}: {name} cannot be read as {shape} numbers ({error})") from error
