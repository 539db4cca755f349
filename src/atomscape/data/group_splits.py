"""Splits that keep groups together, folds of a cross-validation, and parts alike in their strata.

Each function gives part → structure numbers, sorted; the same arguments give the same parts on every machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from atomscape.data.grouping import Groups
from atomscape.data.splits import Split, part_sizes, random_split

GOLDEN = (5**0.5 - 1) / 2


def group_split(groups: np.ndarray, parts: Mapping[str, float], seed: int) -> Split:
    """Random parts in which no group stands twice; ``groups`` numbers the group of each structure.

    Groups are drawn in random order and go to the part that lacks most of its share; parts are filled to
    within one group of the fractions.

    Raises
    ------
    ValueError
        The fractions do not sum to 1.
    """
    sizes = part_sizes(len(groups), parts)
    if sum(sizes.values()) != len(groups):
        raise ValueError(f"a split by groups uses every structure; the fractions {dict(parts)} must sum to 1")
    rng = np.random.default_rng(seed)
    members = np.argsort(groups, kind="stable")
    starts = np.r_[0, np.cumsum(np.bincount(groups))]
    room = np.array(list(sizes.values()), dtype=float)
    chosen: list[list[np.ndarray]] = [[] for _ in sizes]
    for g in rng.permutation(len(starts) - 1):
        part = int(np.argmax(room / np.maximum(list(sizes.values()), 1)))
        chosen[part].append(members[starts[g] : starts[g + 1]])
        room[part] -= starts[g + 1] - starts[g]
    return {
        name: np.sort(np.concatenate(c)) if c else np.zeros(0, np.int64)
        for name, c in zip(sizes, chosen, strict=True)
    }


def stable_group_split(groups: Groups, parts: Mapping[str, float], seed: int) -> Split:
    """Parts chosen by the name of the group alone.

    A group falls in the same part in every dataset, and stays there when the dataset grows: datasets that
    overlap, or hold the same substances, can be learned together without a leak. The price is that fractions
    are met on the average over groups only.

    Raises
    ------
    ValueError
        The fractions do not sum to 1.
    """
    if abs(sum(parts.values()) - 1) > 1e-9 or any(v < 0 for v in parts.values()):
        raise ValueError(f"a split by groups uses every structure; the fractions {dict(parts)} must sum to 1")
    place = np.array([_uniform(name, seed) for name in groups.names])
    ends = np.cumsum(list(parts.values()))
    part_of_group = np.minimum(np.searchsorted(ends, place, side="right"), len(parts) - 1)
    part = part_of_group[groups.of] if len(groups) else groups.of
    return {name: np.flatnonzero(part == k) for k, name in enumerate(parts)}


def _uniform(name: str, seed: int) -> float:
    """Number in [0, 1) that only the name and the seed decide."""
    digest = hashlib.sha256(f"{seed}\n{name}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def folds(n: int, k: int, seed: int, groups: np.ndarray | None = None) -> list[np.ndarray]:
    """Cut ``n`` structures into ``k`` parts of (nearly) equal size, without tearing groups where given.

    Raises
    ------
    ValueError
        Fewer than two folds are asked for, or more than there are structures (or groups).
    """
    available = n if groups is None else len(np.unique(groups))
    if not 2 <= k <= available:
        what = "structures" if groups is None else "groups"
        raise ValueError(f"{k} folds of {available} {what}; give from 2 to {available}")
    share = {str(i): 1.0 / k for i in range(k)}
    cut = random_split(n, share, seed) if groups is None else group_split(groups, share, seed)
    return list(cut.values())


def fold_split(n: int, k: int, fold: int, val: float, seed: int, groups: np.ndarray | None = None) -> Split:
    """Train, val and test of one run of a cross-validation: ``test`` is the fold, ``val`` a part of the rest.

    Raises
    ------
    ValueError
        There is no such fold, or there cannot be so many.
    """
    if not 0 <= fold < k:
        raise ValueError(f"fold {fold} of {k}; folds are numbered 0 … {k - 1}")
    if not 0 < val < 1:
        raise ValueError(f"val is a fraction of what is not tested, between 0 and 1; given {val}")
    test = folds(n, k, seed, groups)[fold]
    rest = np.setdiff1d(np.arange(n), test)
    parts = {"train": 1.0 - val, "val": val}
    if groups is None:
        return {**random_split(rest, parts, seed), "test": test}
    inner = group_split(np.unique(groups[rest], return_inverse=True)[1], parts, seed)
    return {**{name: rest[rows] for name, rows in inner.items()}, "test": test}


def stratified_split(strata: np.ndarray, parts: Mapping[str, float | int], seed: int) -> Split:
    """Random parts of which each holds its share of every stratum; ``strata`` numbers that of each structure.

    Structures stand in a line, stratum after stratum, and the k-th draws the k-th number of a golden-ratio
    sequence, of which every stretch is spread evenly; parts are ranges of these numbers. A stratum of m
    structures so gives each part its share of m to within about log m, and all strata together exactly.
    """
    n = len(strata)
    sizes = part_sizes(n, parts)
    rng = np.random.default_rng(seed)
    line = np.lexsort((rng.permutation(n), rng.permutation(int(strata.max(initial=-1)) + 1)[strata]))
    drawn = line[np.argsort((np.arange(n) * GOLDEN + rng.random()) % 1.0, kind="stable")]
    ends = np.cumsum(list(sizes.values()))
    return {name: np.sort(drawn[b - m : b]) for (name, m), b in zip(sizes.items(), ends, strict=True)}
