"""Groups of structures that must not be torn apart by a split, by any of the ways in ``data/groups/``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from atomscape.atoms.structures import Structures
from atomscape.data.store import Store
from atomscape.find import available, find

KIND = "data.groups"
CHUNK = 65_536
"""Structures that are named at a time, to bound memory."""


@dataclass(frozen=True, eq=False)
class Groups:
    """``of`` is the number of each structure's group, counted in the order of first appearance."""

    of: np.ndarray
    names: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of groups."""
        return len(self.names)


def ways_of_grouping() -> list[str]:
    """Names that ``groups_of`` knows: composition, elements, trajectory, …"""
    return available(KIND)


def groups_of(data: Store | Structures, by: str, rows: Sequence[int] | np.ndarray | None = None) -> Groups:
    """Group of each structure (of those numbered in ``rows``), named by the plug-in ``by``.

    Raises
    ------
    LookupError
        There is no such way of grouping.
    ValueError
        The structures cannot be grouped that way, as periodic ones by scaffold.
    """
    name_groups = find(KIND, by).name_groups
    known: dict[str, int] = {}
    numbers = [known.setdefault(name, len(known)) for name in name_groups(chunks(data, rows))]
    return Groups(np.array(numbers, dtype=np.int64), tuple(known))


def chunks(
    data: Store | Structures, rows: Sequence[int] | np.ndarray | None = None, size: int | None = None
) -> Iterator[Structures]:
    """Structures in order, some at a time."""
    n, size = len(data) if rows is None else len(rows), size or CHUNK
    for a in range(0, n, size):
        b = min(a + size, n)
        yield data[a:b] if rows is None else data[np.asarray(rows[a:b], dtype=np.int64)]
