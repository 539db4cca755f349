"""Leaks: the same structure, or frames of one trajectory, in two parts of a split."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from atomscape.data.check import Correction, Finding, rows_of
from atomscape.data.examined import Examined
from atomscape.data.repeated import first_rows, same_pairs

question = "Are the parts of the split free of one another's structures and trajectories?"
quick = False

SERIOUS = 0.02
"""Share of the smaller part."""
ORDER = {"train": 0, "val": 1, "valid": 1, "validation": 1, "test": 2}


def run(data: Examined) -> Iterator[Finding]:
    """For each two parts that have no row in common: what stands in both."""
    if len(data.splits) < 2:
        return
    first, other = first_rows(data), same_pairs(data)
    repeats = np.flatnonzero(first != np.arange(len(data)))
    exact = np.stack([first[repeats], repeats], axis=1)
    for (a, rows_a), (b, rows_b) in combinations(data.splits.items(), 2):
        in_a, in_b = (np.isin(np.arange(len(data)), rows) for rows in (rows_a, rows_b))
        if (in_a & in_b).any() or not len(rows_a) or not len(rows_b):
            continue
        later, earlier = (a, b) if _rank(a) > _rank(b) else (b, a)
        of, before = (in_a, in_b) if later == a else (in_b, in_a)
        written_alike = _crossing(exact, of, before)
        same = np.setdiff1d(_crossing(other, of, before), written_alike)
        for both, how in ((written_alike, ""), (same, " in another cell, order or frame")):
            if not len(both):
                continue
            text = f"{len(both)} of {of.sum()} structures of {later!r} also stand in {earlier!r}{how}"
            edit = Correction(f"left out of {later!r}: structures that also stand in {earlier!r}")
            severity = "serious" if not how and len(both) > SERIOUS * of.sum() else "warning"
            yield Finding(
                severity, text, rows_of(both), f"leave them out of {later!r}", None if how else edit
            )
        groups = np.intersect1d(data.groups[in_a], data.groups[in_b])
        groups = groups[groups >= 0]
        if len(groups):
            rows = np.flatnonzero(of & np.isin(data.groups, groups))
            text = (
                f"frames of {len(groups)} groups (trajectories, reactions) stand in {earlier!r} and {later!r}"
            )
            yield Finding("warning", text, rows_of(rows), "split by groups, so that each is in one part")


def _crossing(pairs: np.ndarray, of: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Rows of one part that are paired with rows of another."""
    forth = pairs[of[pairs[:, 0]] & before[pairs[:, 1]], 0]
    back = pairs[of[pairs[:, 1]] & before[pairs[:, 0]], 1]
    return np.unique(np.r_[forth, back])


def _rank(name: str) -> int:
    return max((rank for word, rank in ORDER.items() if word in name), default=0)
