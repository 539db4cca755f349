"""Structures that stand twice, written the same way."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from atomscape.data.check import Correction, Finding, by_share, rows_of
from atomscape.data.examined import Examined
from atomscape.data.repeated import first_rows

question = "Does every structure stand once?"
quick = True
needs = "structures"

DIFFERENT = 1e-3  # eV
MANY = 0.3
"""Share of the dataset, or of a part of its split, that may not repeat."""


def run(data: Examined) -> Iterator[Finding]:
    """Rows that repeat an earlier one to 0.001 Å but for a shift, and those of them with another energy."""
    first = first_rows(data)
    repeats = np.flatnonzero(first != np.arange(len(data)))
    if not repeats.size:
        return
    energy = data.values("energy") if "energy" in data.properties else np.full(len(data), np.nan)
    with np.errstate(invalid="ignore"):
        other = np.abs(energy[repeats] - energy[first[repeats]]) > DIFFERENT
    again = _repeats_within_parts(data, first)
    shares = [np.isin(rows, again).mean() for rows in data.splits.values() if len(rows)]
    whole = max([len(again) / len(data), *shares]) >= MANY
    certain = np.setdiff1d(again, repeats[other])
    yield Finding(
        "serious" if whole else by_share(repeats, len(data), 1.1, 0.001),
        f"{len(repeats)} of {len(data)} structures repeat an earlier one",
        rows_of(repeats),
        "keep the first of each",
        Correction("left out: repeats", None, rows_of(certain)) if len(certain) else None,
    )
    if other.any():
        gap = np.abs(energy[repeats] - energy[first[repeats]])[other].max()
        text = f"{other.sum()} structures repeat an earlier one with another energy (up to {gap:.3g} eV)"
        yield Finding(
            by_share(repeats[other], len(data), 0.05),
            text,
            rows_of(repeats[other]),
            "find out what else differs: charge, spin, method; keep one",
        )


def _repeats_within_parts(data: Examined, first: np.ndarray) -> np.ndarray:
    """Repeats of a row in the same parts of the split; those across parts are leaks, and not superfluous."""
    parts = np.zeros(len(data), np.int64)
    for k, rows in enumerate(data.splits.values()):
        parts[rows] += 2**k
    _, kept = np.unique(np.stack([first, parts], axis=1), axis=0, return_index=True)
    return np.setdiff1d(np.arange(len(data)), kept)
