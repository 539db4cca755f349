"""Structures of one set of elements (chemical system): the test holds combinations never seen in training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from ase.data import chemical_symbols

from atomscape.atoms.formulas import composition_of
from atomscape.atoms.structures import Structures


def name_groups(batches: Iterable[Structures]) -> Iterator[str]:
    """Elements of each structure, for instance ``O-Al``."""
    for structures in batches:
        yield from _elements(structures)


def _elements(structures: Structures) -> list[str]:
    present = composition_of(structures).numpy() > 0
    rows, which = np.unique(present, axis=0, return_inverse=True)
    names = ["-".join(chemical_symbols[z] for z in np.flatnonzero(row).tolist()) for row in rows]
    return [names[k] for k in which.reshape(-1).tolist()]
