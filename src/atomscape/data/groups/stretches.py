"""Stretches of a trajectory: a tenth of its frames each, in their order.

Where all data are one trajectory no split can keep it whole. Stretches keep neighbours in time together; only
at their ends do frames of two parts follow one another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from atomscape.atoms.structures import Structures
from atomscape.data.groups import trajectory

STRETCHES = 10


def name_groups(batches: Iterable[Structures]) -> Iterator[str]:
    """Trajectory of each structure and which tenth of it, for instance ``run1/3``."""
    names = list(trajectory.name_groups(batches))
    lengths, seen = Counter(names), Counter[str]()
    for name in names:
        yield f"{name}/{seen[name] * STRETCHES // lengths[name]}"
        seen[name] += 1
