"""A dataset as the checks see it: rows in bounded chunks, whole columns, groups, and shared results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from ase.data import covalent_radii

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.properties import Property, free_property, property_named
from atomscape.atoms.structures import Structures

STRUCTURES, ATOMS = 2048, 200_000
"""Most structures and atoms of one chunk."""

T = TypeVar("T")


@runtime_checkable
class Rows(Protocol):
    """What can be examined: a ``Store``, or ``Structures`` held in memory."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any, /) -> Structures: ...


class Examined:
    """Rows of a dataset with their properties, ids and splits.

    ``other`` is a second dataset to compare with, or None. Results that several checks need are computed once
    (``once``).
    """

    def __init__(
        self,
        rows: Rows,
        properties: Mapping[str, Property],
        ids: Sequence[str] = (),
        splits: Mapping[str, np.ndarray] | None = None,
        counts: np.ndarray | None = None,
        other: Examined | None = None,
    ):
        self.rows, self.properties, self.ids = rows, dict(properties), ids
        self.splits, self.other = dict(splits or {}), other
        self._given_counts = counts
        self._known: dict[str, object] = {}

    @staticmethod
    def of(
        structures: Structures,
        properties: Mapping[str, Property] | None = None,
        splits: Mapping[str, np.ndarray] | None = None,
        other: Examined | None = None,
    ) -> Examined:
        """Structures held in memory; labels outside the vocabulary and ``properties`` have no unit."""
        s = structures.to("cpu")
        known = {name: property_of(s, name, properties or {}) for name in s.labels}
        return Examined(s, known, s.ids, splits, s.counts.numpy(), other)

    def __len__(self) -> int:
        """Return the number of structures."""
        return len(self.rows)

    def __getitem__(self, index) -> Structures:
        """Gather structures."""
        return self.rows[index]

    @cached_property
    def counts(self) -> np.ndarray:
        """Atoms of each structure."""
        if self._given_counts is not None:
            return np.asarray(self._given_counts)
        return np.concatenate(
            [np.zeros(0, np.int64), *(self[a : a + STRUCTURES].counts.numpy() for a in self._starts())]
        )

    def _starts(self) -> range:
        return range(0, len(self), STRUCTURES)

    def chunks(self, rows: np.ndarray | None = None) -> Iterator[tuple[np.ndarray, Structures]]:
        """All structures, or those numbered in ``rows``, a chunk at a time: numbers and structures."""
        rows = np.arange(len(self)) if rows is None else np.asarray(rows, dtype=np.int64)
        atoms = np.r_[0, np.cumsum(self.counts[rows])]
        start = 0
        while start < len(rows):
            end = int(np.searchsorted(atoms, atoms[start] + ATOMS, side="right")) - 1
            stop = min(max(start + 1, end), start + STRUCTURES, len(rows))
            here = rows[start:stop]
            whole = here[-1] - here[0] == len(here) - 1 and (np.diff(here) == 1).all()
            yield here, self[slice(int(here[0]), int(here[-1]) + 1)] if whole else self[here]
            start = stop

    def sample(self, size: int, rows: np.ndarray | None = None) -> np.ndarray:
        """At most ``size`` of the rows (all where None is given), evenly spread and always the same ones."""
        rows = np.arange(len(self)) if rows is None else rows
        return rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), size)).astype(np.int64))]

    def values(self, name: str) -> np.ndarray:
        """All values of a label per structure, float64."""

        def read() -> np.ndarray:
            if hasattr(self.rows, "values"):
                return np.asarray(self.rows.values(name), dtype=np.float64)  # pyright: ignore
            parts = [numpy_label(s, name) for _, s in self.chunks()]
            return np.concatenate(parts) if parts else np.zeros(0)

        return self.once(f"values of {name}", read)

    def once(self, what: str, compute: Callable[[], T]) -> T:
        """Result of ``compute`` kept under a name."""
        if what not in self._known:
            self._known[what] = compute()
        return self._known[what]  # pyright: ignore[reportReturnType]

    @cached_property
    def groups(self) -> np.ndarray:
        """Number of each structure's group, the part of its id before the last "/"; −1 without one."""
        known: dict[str, int] = {}
        names = [i.rpartition("/")[0] for i in self.ids] or [""] * len(self)
        return np.array([known.setdefault(n, len(known)) if n else -1 for n in names], dtype=np.int64)

    @cached_property
    def composition(self) -> tuple[np.ndarray, np.ndarray]:
        """Atoms of each element in each structure [structures, elements], and the elements."""
        parts = [np.bincount(s.numbers.numpy(), minlength=119)[:119] for _, s in self.chunks()]
        elements = np.flatnonzero(np.sum(parts, axis=0)) if parts else np.zeros(0, np.int64)
        column = np.full(119, -1)
        column[elements] = np.arange(len(elements))
        tables = []
        for _, s in self.chunks():
            flat = s.structure.numpy() * len(elements) + column[s.numbers.numpy()]
            tables.append(np.bincount(flat, minlength=len(s) * len(elements)).reshape(len(s), -1))
        return np.concatenate(tables).astype(np.float32), elements

    @cached_property
    def nearest(self) -> tuple[np.ndarray, np.ndarray]:
        """Of each structure the smallest distance (Å), and the smallest in units of two covalent radii.

        Infinite where nothing is as close as 0.5 Å or half the sum of the largest radii.
        """
        closest, ratio = np.full(len(self), np.inf), np.full(len(self), np.inf)
        for here, s in self.chunks():
            closest[here], ratio[here] = nearest_of(s)
        return closest, ratio

    @cached_property
    def periodic(self) -> np.ndarray:
        """Whether each structure is periodic in all three directions."""
        return np.concatenate([np.zeros(0, bool), *(s.pbc.numpy().all(1) for _, s in self.chunks())])


def nearest_of(s: Structures) -> tuple[np.ndarray, np.ndarray]:
    """As ``Examined.nearest``, for one batch."""
    radii = covalent_radii[s.numbers.numpy()]
    reach = max(0.5, float(radii.max(initial=0.5)))
    g = neighbour_graph(s, reach)
    r = g.vectors.norm(dim=1).numpy()
    owner = s.structure.numpy()[g.centre.numpy()]
    closest, ratio = np.full(len(s), np.inf), np.full(len(s), np.inf)
    np.minimum.at(closest, owner, r)
    np.minimum.at(ratio, owner, r / (radii[g.centre.numpy()] + radii[g.neighbour.numpy()]))
    return closest, ratio


def numpy_label(s: Structures, name: str) -> np.ndarray:
    """Values of a label, float64."""
    return s.labels[name].detach().double().numpy()


def property_of(s: Structures, name: str, properties: Mapping[str, Property]) -> Property:
    """Property of a label: as given, of the vocabulary, else a free one."""
    found = properties.get(name) or property_named(name)
    per = "atom" if s.runs_over_atoms(name) else "structure"
    return found or replace(free_property(name, per), shape=tuple(s.labels[name].shape[1:]))
