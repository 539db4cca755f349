"""Leaks: what a part of a split has in common with another, so that errors measured on it flatter.

Four things are looked for between parts of one dataset, the last of them also between datasets that one model
learns from:

- an id that stands in both (serious);
- frames of one trajectory, reaction or path on both sides: the test then asks for interpolation;
- a reduced formula on both sides, as polymorphs and conformers have: new substances may be harder;
- a structure that stands in both (serious): the same positions, or, where fingerprints are asked for, the
  same after rotation, translation, permutation or another choice of cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from atomscape.atoms.fingerprint import fingerprints
from atomscape.atoms.formulas import reduced_formulas
from atomscape.atoms.structures import Structures
from atomscape.data.copies import copies
from atomscape.data.geometry_keys import geometry_keys
from atomscape.data.grouping import chunks
from atomscape.data.store import Store

EXAMPLES = 3
SAID = {
    "id": "{n} of {of} structures of {b} have an id that stands in {a} too",
    "structure": "{n} of {of} structures of {b} stand in {a} too",
    "trajectory": "{n} of {of} structures of {b} are frames of trajectories that {a} has frames of",
    "composition": "{n} of {of} structures of {b} have a reduced formula that {a} has too",
}
"""What each kind of leak says; the first two are serious."""


@dataclass(frozen=True)
class Leak:
    """``count`` of the ``of`` structures of part ``b`` share something with part ``a``; some by their ids.

    ``rows`` are the numbers of all of them in the dataset of ``b``.
    """

    kind: str
    a: str
    b: str
    count: int
    of: int
    examples: tuple[str, ...]
    rows: tuple[int, ...] = field(default=(), repr=False)

    @property
    def serious(self) -> bool:
        """Whether the very same structures stand on both sides."""
        return self.kind in ("id", "structure")

    def __str__(self) -> str:
        """One line for a report."""
        text = SAID[self.kind].format(n=f"{self.count:,}", of=f"{self.of:,}", a=self.a, b=self.b)
        return f"{text}, for instance {', '.join(self.examples)}"

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        known = {name: value for name, value in asdict(self).items() if name != "rows"}
        return known | {"serious": self.serious}


@dataclass(frozen=True, eq=False)
class Contents:
    """What identifies the structures of one part of a dataset; made by ``contents``.

    ``geometry`` has a number for each that copies share, ``rows`` their numbers in the dataset. Without
    ``compositions`` none are compared.
    """

    dataset: str
    part: str
    ids: list[str]
    compositions: list[str]
    geometry: np.ndarray
    fingerprints: np.ndarray | None
    rows: np.ndarray

    @property
    def name(self) -> str:
        """``dataset/part``."""
        return f"{self.dataset}/{self.part}" if self.dataset else self.part

    @property
    def trajectories(self) -> list[str]:
        """Trajectory of each structure, empty where its id names none."""
        return [i.rpartition("/")[0] for i in self.ids]


def contents(
    dataset: str,
    part: str,
    data: Store | Structures,
    rows: Sequence[int] | np.ndarray | None = None,
    fingerprint: bool = False,
) -> Contents:
    """Read what identifies the structures of a part; ``fingerprint`` costs some milliseconds each."""
    ids: list[str] = []
    formulas: list[str] = []
    geometry, prints = [np.zeros(0, np.uint64)], []
    for s in chunks(data, rows, 8192):
        ids += s.ids or [""] * len(s)
        formulas += reduced_formulas(s)
        geometry.append(geometry_keys(s))
        if fingerprint:
            prints.append(fingerprints(s).numpy())
    joined = np.concatenate(prints) if prints else None
    numbers = np.arange(len(data)) if rows is None else np.asarray(rows, dtype=np.int64)
    return Contents(dataset, part, ids, formulas, np.concatenate(geometry), joined, numbers)


def find_leaks(parts: Sequence[Contents]) -> list[Leak]:
    """Leaks between any two parts, the serious ones first.

    The same part of two datasets is trained on, or tested on, as one: what stands in both is no leak but a
    bridge between them. Trajectories and formulas are compared with the first part only, the one to train on.
    """
    found = []
    for a, b in combinations([p for p in parts if len(p.ids)], 2):
        if a.part != b.part:
            found += [leak for leak in between(a, b) if leak.serious or a.part == parts[0].part]
    return sorted(found, key=lambda leak: not leak.serious)


def between(a: Contents, b: Contents) -> Iterator[Leak]:
    """What part ``b`` shares with part ``a``, the one that comes before it."""
    if a.dataset == b.dataset:
        yield from _shared("id", a, b, _also(a.ids, b.ids))
    yield from _shared("structure", a, b, _same_structures(a, b))
    if a.dataset == b.dataset:
        yield from _shared("trajectory", a, b, _also(a.trajectories, b.trajectories))
        if len({*a.compositions, *b.compositions}) > 1:  # else no split could avoid it
            yield from _shared("composition", a, b, _also(a.compositions, b.compositions))


def _same_structures(a: Contents, b: Contents) -> np.ndarray:
    same = np.isin(b.geometry, a.geometry)
    if a.fingerprints is None or b.fingerprints is None:
        return same
    pairs = copies([*a.compositions, *b.compositions], np.concatenate([a.fingerprints, b.fingerprints]))
    across = pairs[(pairs[:, 0] < len(a.ids)) & (pairs[:, 1] >= len(a.ids))]
    same[across[:, 1] - len(a.ids)] = True
    return same


def _also(there: Iterable[str], here: Sequence[str]) -> np.ndarray:
    """Which of ``here`` occur in ``there``; empty names are nobody's."""
    known = set(there) - {""}
    return np.array([name in known for name in here], dtype=bool)


def _shared(kind: str, a: Contents, b: Contents, which: np.ndarray) -> Iterable[Leak]:
    rows = np.flatnonzero(which)
    if len(rows):
        examples = tuple(b.ids[r] or f"number {b.rows[r]}" for r in rows[:EXAMPLES].tolist())
        yield Leak(kind, a.name, b.name, len(rows), len(b.ids), examples, tuple(b.rows[rows].tolist()))
