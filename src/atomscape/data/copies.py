"""Copies: structures that are the same however they are turned, moved, ordered, or repeated as a supercell.

Two are copies if their reduced formulas are equal and their fingerprints agree to ``COPY``. Positions rounded
to three decimals change a fingerprint by some 5e-4, another cell, order or frame by less than 1e-6. The
nearest frames of molecular dynamics of molecules and of a solid electrolyte differ by 6e-3 and more; the last
frames of a relaxation may differ by less and are copies.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from atomscape.atoms.fingerprint import fingerprints, matches
from atomscape.atoms.formulas import reduced_formulas
from atomscape.atoms.structures import Structures

COPY = 1e-3
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
