"""Labels copied from other structures: equal to the last digit where the structures differ."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from atomscape.data.check import Correction, Finding, rows_of
from atomscape.data.edits import Unknown
from atomscape.data.examined import Examined, numpy_label
from atomscape.data.repeated import first_rows

question = "Does every structure have labels of its own, not those of another one?"
quick = True
needs = "tensors or vectors"

SERIOUS = 0.05
FEWEST = 3
"""Different numbers other than 0 that a label must have, lest it be equal by symmetry."""


def run(data: Examined) -> Iterator[Finding]:
    """Tensors and vectors that different structures share exactly; in two parts of a split it is worse."""
    first = first_rows(data)
    for name, prop in data.properties.items():
        if not prop.shape or prop.shape[0] != 3:
            continue
        owner, source = _copies(data, name, first)
        if not len(owner):
            continue
        parts = [(part, np.isin(owner, rows)) for part, rows in data.splits.items()]
        worst = max(((here.sum() / max(len(data.splits[p]), 1), p) for p, here in parts), default=(0.0, ""))
        share = max(len(owner) / len(data), worst[0])
        where = f", among them {100 * worst[0]:.0f} % of {worst[1]!r}" if worst[1] and worst[0] else ""
        text = (
            f"{name} of {len(owner)} structures is exactly that of another structure{where} (structure "
            f"{owner[0]} has that of {source[0]})"
        )
        edit = Correction(f"{name} set to unknown where it is another structure's", Unknown(name))
        severity = "serious" if share > SERIOUS else "warning"
        yield Finding(severity, text, rows_of(owner), f"set {name} to NaN there, or read the original", edit)


def _copies(data: Examined, name: str, first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows whose label is that of an earlier or better known structure, and whose it is.

    Of two structures with one label the later has the copy; a part called test or val rather than train.
    """
    held_out = np.zeros(len(data), dtype=bool)
    for part, rows in data.splits.items():
        if "train" not in part and any("train" in p for p in data.splits):
            held_out[rows] = True
    seen: dict[bytes, int] = {}
    owner, source = [], []
    keys: list[bytes | None] = []
    for _, s in data.chunks():
        values, bounds = numpy_label(s, name), s.offsets.tolist()
        for k in range(len(s)):
            own = values[bounds[k] : bounds[k + 1]] if s.runs_over_atoms(name) else values[k]
            keys.append(_key(own))
    for row in np.argsort(held_out, kind="stable").tolist():
        key = keys[row]
        if key is None:
            continue
        other = seen.setdefault(key, row)
        if first[other] != first[row]:
            owner.append(row)
            source.append(other)
    return np.array(owner, dtype=np.int64), np.array(source, dtype=np.int64)


def _key(values: np.ndarray) -> bytes | None:
    flat = values.reshape(-1)
    if not np.isfinite(flat).all():
        return None
    several = np.unique(np.abs(flat[flat != 0])).size >= FEWEST
    return flat.tobytes() if several else None
