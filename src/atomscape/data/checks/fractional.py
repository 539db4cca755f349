"""Fractional coordinates called Cartesian: all within one Å of the origin, atoms on top of each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from atomscape.atoms.structures import Structures
from atomscape.data.check import Correction, Finding, rows_of
from atomscape.data.examined import Examined, nearest_of

question = "Do positions fill their cells, or are they fractional coordinates called Cartesian?"
quick = True
needs = "crystals"

CLOSE = 0.5
"""Of the sum of covalent radii: closer is no bond."""
MOST = 0.5
"""Share of crystals of several atoms from which on all crystals that fit are taken to be fractional."""


def run(data: Examined) -> Iterator[Finding]:
    """Crystals whose atoms collide as Cartesian and do not as fractional coordinates."""
    found, fit, closest = [], [], []
    several = 0
    for here, s in data.chunks():
        inside = within_unit_cube(s)
        fit += here[inside].tolist()
        several += int((s.pbc.all(1) & (s.counts > 1)).sum())
        candidates = np.flatnonzero(inside & (s.counts.numpy() > 1))
        if not len(candidates):
            continue
        as_read = nearest_of(s[candidates])
        as_meant = nearest_of(from_fractional(s[candidates]))[1]
        wrong = (as_read[1] < CLOSE) & (as_meant > CLOSE)
        found += here[candidates[wrong]].tolist()
        closest += as_read[0][wrong].tolist()
    if not found:
        return
    rows = fit if len(found) > MOST * several else found
    yield Finding(
        "serious",
        f"positions of {len(rows)} of {len(data)} structures lie in 0 … 1 Å, and in {len(found)} atoms "
        "are as "
        f"close as {np.median(closest):.2g} Å (median); read as fractional coordinates they are not",
        rows_of(rows),
        "positions = positions @ cell",
        Correction("positions read as fractional coordinates", from_fractional),
    )


def within_unit_cube(s: Structures) -> np.ndarray:
    """Whether a crystal's positions all lie between 0 and 1, and its cell is larger than that."""
    x = s.positions.detach().double()
    outside = ((x < -1e-6) | (x > 1 + 1e-6)).any(1)
    count = torch.zeros(len(s), dtype=torch.int64).index_add(0, s.structure, outside.long())
    large = s.cell.norm(dim=2).min(1).values > 1.5
    return ((count == 0) & s.pbc.all(1) & large).numpy()


def from_fractional(s: Structures) -> Structures:
    """Structures whose positions are multiplied by their cells."""
    return replace(s, positions=torch.einsum("ai,aij->aj", s.positions, s.cell[s.structure]))
