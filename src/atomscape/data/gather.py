"""Gather structures from shards into one batch: one copy per array, from the mapped files into the batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from atomscape.atoms.properties import Property, property_named
from atomscape.atoms.structures import Structures
from atomscape.data.shards import Shard


@dataclass(frozen=True, eq=False)
class Part:
    """Rows of one shard and the places in the batch where they go."""

    shard: Shard
    rows: np.ndarray
    places: np.ndarray | slice


def gather(
    n: int, parts: list[Part], properties: Mapping[str, Property], dtypes: Mapping[str, str]
) -> Structures:
    """Return a batch of ``n`` structures; a label that a shard lacks is NaN there."""
    counts = np.zeros(n, np.int64)
    for p in parts:
        counts[p.places] = p.shard.offsets[p.rows + 1] - p.shard.offsets[p.rows]
    first = np.cumsum(counts) - counts
    atoms = [(ranges(p.shard.offsets[p.rows], counts[p.places]), _targets(p, first, counts)) for p in parts]
    structures = [(p.rows, p.places) for p in parts]

    def collect(
        read: Callable[[Shard], np.ndarray | None], per: str, dtype: np.typing.DTypeLike
    ) -> torch.Tensor:
        places, length = (atoms, int(counts.sum())) if per == "atom" else (structures, n)
        values = [read(p.shard) for p in parts]
        return torch.from_numpy(_collect(values, places, length, np.dtype(dtype)))

    labels = {
        name: collect(lambda s, name=name: s.labels.get(name), prop.per, dtypes[name])
        if any(name in p.shard.labels for p in parts)
        else torch.from_numpy(_unknown(prop, int(counts.sum()), n, dtypes[name]))
        for name, prop in properties.items()
    }
    return Structures(
        collect(lambda s: s.positions, "atom", np.float64),
        collect(lambda s: s.numbers, "atom", np.int64),
        collect(lambda s: s.cell, "structure", np.float64),
        collect(lambda s: s.pbc, "structure", bool),
        torch.from_numpy(np.repeat(np.arange(n), counts)),
        labels,
        _ids(n, parts),
        frozenset(name for name, p in properties.items() if p.per == "atom" and property_named(name) is None),
    )


def ranges(first: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Concatenate the ranges ``first[i] … first[i] + counts[i] − 1``."""
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(first - (ends - counts), counts)


def _targets(part: Part, first: np.ndarray, counts: np.ndarray) -> np.ndarray | slice:
    return part.places if isinstance(part.places, slice) else ranges(first[part.places], counts[part.places])


def _collect(
    values: list[np.ndarray | None], places: list[tuple], length: int, dtype: np.dtype
) -> np.ndarray:
    """Copy ``values[source]`` to ``out[target]`` for each shard; NaN where a shard has no values."""
    if len(values) == 1 and values[0] is not None and isinstance(places[0][1], slice):
        return values[0].take(places[0][0], axis=0).astype(dtype, copy=False)
    given = next(v for v in values if v is not None)
    out = np.empty((length, *given.shape[1:]), dtype)
    for value, (source, target) in zip(values, places, strict=True):
        out[target] = np.nan if value is None else value[source]
    return out


def _unknown(prop: Property, n_atoms: int, n: int, dtype: str) -> np.ndarray:
    return np.full((n_atoms if prop.per == "atom" else n, *prop.shape), np.nan, dtype)


def _ids(n: int, parts: list[Part]) -> tuple[str, ...]:
    if len(parts) == 1 and isinstance(parts[0].places, slice):
        return tuple(parts[0].shard.ids.take(parts[0].rows).to_pylist())
    out = np.empty(n, object)
    for p in parts:
        out[p.places] = p.shard.ids.take(p.rows).to_pylist()
    return tuple(out)
