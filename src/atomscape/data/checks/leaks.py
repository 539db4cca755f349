"""Leaks: the same id or structure, or frames of one trajectory, in two parts of a split."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from atomscape.data.check import Correction, Finding, rows_of
from atomscape.data.examined import Examined
from atomscape.data.leaks import Contents, Leak, between
from atomscape.data.repeated import first_rows, kinds

question = "Are the parts of the split free of one another's structures and trajectories?"
quick = False
needs = "a split"

SERIOUS = 0.02
"""Share of the later part."""
ORDER = {"train": 0, "val": 1, "valid": 1, "validation": 1, "test": 2}
GUISE = "in another cell, order or frame"
PROPOSALS = {
    "id": "give each structure a name of its own, or leave these out of {a}",
    "structure": "leave them out of {a}",
    "trajectory": "split by groups, so that each is in one part",
}


def run(data: Examined) -> Iterator[Finding]:
    """For each two parts that have no row in common: what stands in both."""
    if len(data.splits) < 2:
        return
    exact, alike = first_rows(data), kinds(data)
    parts = sorted(data.splits.items(), key=lambda part: _rank(part[0]))
    for (a, in_a), (b, in_b) in combinations(parts, 2):
        if "train" in a and "train" in b:  # two sets to train on
            continue
        if np.intersect1d(in_a, in_b).size or not len(in_a) or not len(in_b):
            continue
        written_alike: set[int] = set()
        for leak in between(_contents(data, a, in_a, exact), _contents(data, b, in_b, exact)):
            if leak.kind in PROPOSALS:
                written_alike |= set(leak.rows) if leak.serious else set()
                yield _finding(leak, in_a if leak.kind == "structure" else None, exact)
        for leak in between(_contents(data, a, in_a, alike), _contents(data, b, in_b, alike)):
            other = sorted(set(leak.rows) - written_alike)
            if leak.kind == "structure" and other:
                text = f"{len(other)} of {leak.of} structures of {b} stand in {a} too, {GUISE}"
                yield Finding("warning", text, rows_of(other), f"leave out of {a!r} what equals these")


def _contents(data: Examined, part: str, rows: np.ndarray, kinds: np.ndarray) -> Contents:
    """What a part holds, a structure's kind being the number of the first one that it is the same as."""
    ids = [str(data.ids[r]) if len(data.ids) else "" for r in rows.tolist()]
    return Contents("", part, ids, [], kinds[rows], None, rows)


def _finding(leak: Leak, training: np.ndarray | None, exact: np.ndarray) -> Finding:
    """Leaks of structures can be put right: the earlier part goes without them, no structure is lost."""
    correction = None
    if training is not None:
        also = training[np.isin(exact[training], exact[list(leak.rows)])]
        says = f"left out of {leak.a!r}: structures that also stand in {leak.b!r}"
        correction = Correction(says, None, rows_of(also), leak.a)
    clear = leak.serious and leak.count > SERIOUS * leak.of
    proposal = PROPOSALS[leak.kind].format(a=repr(leak.a))
    return Finding("serious" if clear else "warning", str(leak), leak.rows, proposal, correction)


def _rank(name: str) -> int:
    return max((rank for word, rank in ORDER.items() if word in name), default=0)
