"""Elements met once can be neither learnt nor tested."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from ase.data import chemical_symbols

from atomscape.data.check import Finding, rows_of
from atomscape.data.examined import Examined

question = "Does every element occur in more than one structure?"
quick = True
needs = "50 structures"

FEWEST = 50


def run(data: Examined) -> Iterator[Finding]:
    """Elements of a single structure, in datasets of at least 50."""
    if len(data) < FEWEST:
        return
    counts, elements = data.composition
    rare = (counts > 0).sum(0) == 1
    if rare.any():
        names = ", ".join(chemical_symbols[z] for z in elements[rare])
        rows = np.flatnonzero((counts[:, rare] > 0).any(1))
        text = f"elements of one structure only: {names}"
        yield Finding("note", text, rows_of(rows), "leave them out, or keep them in training")
