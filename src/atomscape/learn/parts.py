"""From a config's split to the structures that train, validate and test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from atomscape.data.group_splits import fold_split, group_split, stable_group_split, stratified_split
from atomscape.data.grouping import groups_of
from atomscape.data.splits import index_file_split, random_split
from atomscape.data.store import Store
from atomscape.learn.config import (
    CompositionSplit,
    Dataset,
    FileSplit,
    FoldSplit,
    GroupSplit,
    RandomSplit,
    StoreSplit,
    StratifiedSplit,
)

PARTS = ("train", "val", "test")


def split_rows(dataset: Dataset, store: Store) -> dict[str, np.ndarray]:
    """Structure numbers of train, val and test.

    Raises
    ------
    ValueError
        A part is empty or missing, parts overlap, or a number lies outside the dataset.
    """
    try:
        parts = RESOLVE[dataset.split.kind](dataset.split, store)
    except ValueError as error:
        raise ValueError(f"dataset {dataset.name!r}: {error}") from error
    rows = {part: _limited(np.asarray(parts.get(part, ()), dtype=np.int64), dataset.limit) for part in PARTS}
    for part in PARTS:
        if len(rows[part]) == 0:
            raise ValueError(
                f"dataset {dataset.name!r}: the {part} part of its split is empty ({len(store)} structures "
                f"in all; split {dataset.split.kind}); change data.{dataset.name}.split"
            )
    return rows


def _random(split: RandomSplit, store: Store) -> Mapping[str, np.ndarray]:
    return random_split(len(store), _amounts(split, len(store)), split.seed)


def _composition(split: CompositionSplit, store: Store) -> Mapping[str, np.ndarray]:
    return group_split(groups_of(store, "composition").of, _shares(split, len(store)), split.seed)


def _group(split: GroupSplit, store: Store) -> Mapping[str, np.ndarray]:
    groups, shares = groups_of(store, split.by), _shares(split, len(store))
    if split.stable:
        return stable_group_split(groups, shares, split.seed)
    return group_split(groups.of, shares, split.seed)


def _stratified(split: StratifiedSplit, store: Store) -> Mapping[str, np.ndarray]:
    return stratified_split(groups_of(store, split.by).of, _amounts(split, len(store)), split.seed)


def _folds(split: FoldSplit, store: Store) -> Mapping[str, np.ndarray]:
    groups = None if split.by is None else groups_of(store, split.by).of
    return fold_split(len(store), split.folds, split.fold, split.val, split.seed, groups)


def _file(split: FileSplit, store: Store) -> Mapping[str, np.ndarray]:
    return index_file_split(split.path, store)


def _store(split: StoreSplit, store: Store) -> Mapping[str, np.ndarray]:
    return {name: store.split(name) for name in PARTS}


RESOLVE: dict[str, Callable[[Any, Store], Mapping[str, np.ndarray]]] = {
    "random": _random,
    "composition": _composition,
    "group": _group,
    "stratified": _stratified,
    "folds": _folds,
    "file": _file,
    "store": _store,
}
"""Kind of split → how its parts are found."""


def _limited(rows: np.ndarray, limit: int | None) -> np.ndarray:
    """At most ``limit`` rows, drawn at random (always the same ones): datasets are often sorted by size."""
    if limit is None or len(rows) <= limit:
        return rows
    return np.sort(np.random.default_rng(0).permutation(rows)[:limit])


def _shares(split: RandomSplit, n: int) -> dict[str, float]:
    return {part: amount / n for part, amount in _amounts(split, n).items()}


def _amounts(split: RandomSplit, n: int) -> dict[str, int]:
    def count(x: float) -> int:
        return max(1, round(x * n)) if x < 1 else round(x)

    train, val = count(split.train), count(split.val)
    test = n - train - val if split.test is None else count(split.test)
    if test < 1 or train + val + test > n:
        raise ValueError(
            f"{n} structures, too few for train {train}, val {val}, test {max(test, 1)}; "
            "give smaller parts in its split"
        )
    return {"train": train, "val": val, "test": test}
