"""What the points of a map can be coloured by: scalar labels, and what composition and cell tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from atomscape.atlas.embedding_store import EmbeddingStore
from atomscape.atoms.properties import Property
from atomscape.data.store import Store
from atomscape.shapes import Shaped

_PERIODICITY = np.array(["molecule", "chain", "slab", "crystal"])


class Column(NamedTuple):
    """Values of all points (NaN or "" where not known) and their unit."""

    values: Shaped[np.ndarray, " points"]
    unit: str


def columns_of(embeddings: Sequence[EmbeddingStore], stores: Sequence[Store]) -> dict[str, Column]:
    """Columns of several datasets, one under another; a label that a dataset lacks is NaN there.

    Scalars per structure are taken as they are, lengths of vectors per structure as ``|name|``, and energies
    per atom besides. A name that means different units in different datasets becomes one column for each.
    """
    sizes = [len(e) for e in embeddings]
    columns: dict[str, Column] = {}
    for k, (e, store) in enumerate(zip(embeddings, stores, strict=True)):
        for name, unit, values in _labels(store, e.rows):
            key = name
            if key in columns and columns[key].unit != unit:
                key = f"{name} ({store.card.name})"
            column = columns.setdefault(key, Column(np.full(sum(sizes), np.nan), unit))
            start = sum(sizes[:k])
            column.values[start : start + sizes[k]] = values
    return {k: c for k, c in columns.items() if np.isfinite(c.values).any()} | _geometry(embeddings, stores)


def _labels(store: Store, rows: np.ndarray) -> list[tuple[str, str, np.ndarray]]:
    found = []
    for name, prop in store.properties.items():
        if prop.per != "structure" or len(prop.shape) > 1:
            continue
        values = store.values(name)[rows].astype(np.float64)
        if prop.shape:
            found.append((f"|{name}|", prop.unit, np.sqrt((values**2).sum(1))))
        else:
            found.append((name, prop.unit, values))
            if _is_energy(prop):
                found.append((f"{name} per atom", "eV/atom", values / store.counts[rows]))
    return found


def _is_energy(prop: Property) -> bool:
    return prop.extensive and prop.unit == "eV"


def _geometry(embeddings: Sequence[EmbeddingStore], stores: Sequence[Store]) -> dict[str, Column]:
    """Number of atoms and of elements; volume per atom and kind of periodicity where they tell anything."""
    pairs = list(zip(embeddings, stores, strict=True))
    atoms = np.concatenate([s.counts[e.rows] for e, s in pairs])
    elements = np.concatenate([_n_elements(s)[e.rows] for e, s in pairs])
    pbc = np.concatenate([s.values("pbc")[e.rows] for e, s in pairs]).astype(bool)
    cell = np.concatenate([s.values("cell")[e.rows] for e, s in pairs])
    columns = {"atoms": Column(atoms.astype(np.int64), ""), "elements": Column(elements, "")}
    if len(set(pbc.sum(1))) > 1:
        columns["periodicity"] = Column(_PERIODICITY[pbc.sum(1)], "")
    crystal = pbc.all(1)
    if crystal.any():
        volume = np.where(crystal, np.abs(np.linalg.det(cell)), np.nan)
        columns["volume per atom"] = Column(volume / atoms, "Å³/atom")
    return columns


def _n_elements(store: Store) -> np.ndarray:
    """Number of distinct elements of each structure of a dataset."""
    numbers, counts = store.values("numbers").astype(np.int64), store.counts
    owner = np.repeat(np.arange(len(counts)), counts)
    pairs = np.unique(owner * 256 + numbers)
    return np.bincount(pairs // 256, minlength=len(counts))
