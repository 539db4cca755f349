"""Splits: which structures train, which validate, which test. Each function gives name → structure numbers.

Parts are disjoint; the same arguments give the same parts on every machine (NumPy's PCG64).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from atomscape.data.store import Store

Split = dict[str, np.ndarray]


def random_split(n: int | Sequence[int] | np.ndarray, parts: Mapping[str, float | int], seed: int) -> Split:
    """Random parts of ``n`` structures, or of the structures numbered in ``n``.

    ``parts`` gives counts (integers) or fractions (floats). Fractions that sum to one use every structure.

    Raises
    ------
    ValueError
        More structures are asked for than there are, or counts and fractions are mixed.
    """
    rows = np.arange(n) if isinstance(n, int) else np.asarray(n, dtype=np.int64)
    sizes = part_sizes(len(rows), parts)
    order = np.random.default_rng(seed).permutation(rows)
    ends = np.cumsum(list(sizes.values()))
    return {name: np.sort(order[b - m : b]) for (name, m), b in zip(sizes.items(), ends, strict=True)}


def index_file_split(path: str | Path, store: Store | None = None) -> Split:
    """Read a split file: ``{"name", "dataset", "seed", "splits": {"train": [...], …}}``.

    Entries are structure numbers; where the file has ``"prefix"`` they are ids without it, the store is
    needed, and all ids must be in it.

    Raises
    ------
    ValueError
        The file is not a split file, or a structure stands in two parts.
    KeyError
        Ids are not in the store.
    IndexError
        A structure number is not in the store.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text())
        parts = {str(k): list(v) for k, v in content["splits"].items()}
        prefix = content.get("prefix")
        split = {k: np.array(v, dtype=np.int64) for k, v in parts.items()} if prefix is None else {}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f'{path} is not a split file; it needs {{"splits": {{"train": [...], …}}}}'
        ) from error
    if prefix is not None:
        if store is None:
            raise ValueError(f"{path} lists ids; give the store that has them")
        split = {k: store.rows_of([f"{prefix}{i}" for i in v]) for k, v in parts.items()}
    check_split(split, None if store is None else len(store), str(path))
    return split


def write_index_file(
    path: str | Path, split: Mapping[str, np.ndarray], store: Store, seed: int, prefix: str | None
) -> None:
    """Write a split as ids without their common prefix (as numbers where they are digits), one line a part.

    ``prefix=None`` writes structure numbers, for stores whose ids do not tell structures apart.

    Raises
    ------
    ValueError
        An id does not begin with the prefix.
    """
    lines = []
    for name, rows in split.items():
        entries = rows.tolist() if prefix is None else _shortened([store.ids[r] for r in rows], prefix)
        lines.append(f"  {json.dumps(name)}: {json.dumps(entries, separators=(',', ':'))}")
    head = {"name": Path(path).stem, "dataset": store.card.name, "seed": seed}
    head |= {} if prefix is None else {"prefix": prefix}
    body = ",\n ".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in head.items())
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(f'{{\n {body},\n "splits": {{\n' + ",\n".join(lines) + "\n }\n}\n")


def shared_prefix(ids: Sequence[str]) -> str | None:
    """What all ids begin with, for ``write_index_file``; None where some id stands twice or is empty."""
    if len(set(ids)) < len(ids) or not all(ids):
        return None
    first, last = min(ids, default=""), max(ids, default="")
    length = next((k for k, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first[:length].rstrip("0123456789")


def _shortened(ids: Sequence[str], prefix: str) -> list[str | int]:
    if wrong := [i for i in ids if not i.startswith(prefix)]:
        raise ValueError(f"ids {wrong[:3]} do not begin with {prefix!r}")
    short = [i.removeprefix(prefix) for i in ids]
    return [int(s) if s.isdigit() and str(int(s)) == s else s for s in short]


def size_split(counts: np.ndarray, limits: Mapping[str, tuple[int, int]]) -> Split:
    """Parts by number of atoms: ``{"train": (1, 18), "test": (19, 29)}``, both ends included.

    Raises
    ------
    ValueError
        Ranges overlap.
    """
    split = {name: np.flatnonzero((counts >= a) & (counts <= b)) for name, (a, b) in limits.items()}
    ordered = sorted(limits.values())
    if any(high >= low for (_, high), (low, _) in pairwise(ordered)):
        raise ValueError(f"ranges of sizes overlap: {dict(limits)}")
    return split


def check_split(split: Mapping[str, np.ndarray], n: int | None, where: str = "split") -> None:
    """Check that parts are disjoint and name existing structures.

    Raises
    ------
    ValueError
        A structure stands twice.
    IndexError
        A structure number is not below ``n``.
    """
    rows = np.concatenate([np.zeros(0, np.int64), *split.values()])
    if len(np.unique(rows)) != len(rows):
        raise ValueError(
            f"{where}: {len(rows) - len(np.unique(rows))} structures stand twice in {list(split)}"
        )
    if n is not None and len(rows) and not (rows.min() >= 0 and rows.max() < n):
        raise IndexError(f"{where}: names structures {rows.min()}…{rows.max()} of a dataset of {n}")


def part_sizes(n: int, parts: Mapping[str, float | int]) -> dict[str, int]:
    """Structures of each part, from counts (integers) or fractions (floats).

    Raises
    ------
    ValueError
        More structures are asked for than there are, or counts and fractions are mixed.
    """
    kinds = {isinstance(v, float) for v in parts.values()}
    if len(kinds) != 1 or any(v < 0 for v in parts.values()):
        raise ValueError(
            f"parts must be all counts (integers) or all fractions (floats), none negative: {dict(parts)}"
        )
    if kinds == {False}:
        sizes = {k: int(v) for k, v in parts.items()}
    else:
        total = sum(parts.values())
        if total > 1 + 1e-9:
            raise ValueError(f"fractions sum to {total}, more than 1: {dict(parts)}")
        edges = np.rint(np.cumsum([0.0, *parts.values()]) * n).astype(int)
        sizes = dict(zip(parts, np.diff(edges).tolist(), strict=True))
    if sum(sizes.values()) > n:
        raise ValueError(f"{sum(sizes.values())} structures asked for, {n} available: {dict(parts)}")
    return sizes
