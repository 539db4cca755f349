"""Copies: structures that are the same however they are turned, moved, ordered, or repeated as a supercell.

Two are copies if their reduced formulas are equal and their fingerprints agree to ``COPY``. Frames of one
molecular dynamics differ little on the average over a hundred atoms: with a tolerance of 1e-3 they would be
copies of one another, with this one they are not, while positions rounded to four decimals still are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from atomscape.atoms.fingerprint import fingerprints, matches
from atomscape.atoms.structures import Structures
from atomscape.data.groups.composition import reduced_formulas

COPY = 5e-5
"""Distance of fingerprints (about Å) below which two structures are copies."""


def identities(batches: Iterable[Structures]) -> tuple[list[str], np.ndarray]:
    """Reduced formulas and fingerprints [structures, features], some milliseconds per structure."""
    formulas: list[str] = []
    prints = []
    for structures in batches:
        formulas += reduced_formulas(structures)
        prints.append(fingerprints(structures).numpy())
    return formulas, np.concatenate(prints) if prints else np.zeros((0, 1))


def copies(formulas: Sequence[str], prints: np.ndarray) -> np.ndarray:
    """Pairs i < j of copies [pairs, 2] among structures with these formulas and fingerprints."""
    if not len(formulas):
        return np.zeros((0, 2), np.int64)
    return matches(np.unique(formulas, return_inverse=True)[1], prints, COPY)
