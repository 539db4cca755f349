"""Atoms on top of each other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from atomscape.data.check import Correction, Finding, by_share, rows_of
from atomscape.data.examined import Examined

question = "Are atoms at least half a bond apart?"
quick = True
needs = "structures"

CLOSEST = 0.5  # Å
RATIO = 0.5  # of the sum of covalent radii
SAME_PLACE = 0.05  # Å


def run(data: Examined) -> Iterator[Finding]:
    """Structures with atoms closer than 0.5 Å, and closer than half the sum of covalent radii."""
    closest, ratio = data.nearest
    same = closest < SAME_PLACE
    if same.any():
        yield Finding(
            "serious",
            f"two atoms in one place (closer than {SAME_PLACE} Å) in {same.sum()} structures",
            rows_of(np.flatnonzero(same)),
            "leave them out; fractional coordinates, partial occupancies or expanded symmetry may be "
            "behind it",
            Correction("left out: two atoms in one place"),
        )
    close = (closest < CLOSEST) & ~same
    if close.any():
        rows = np.flatnonzero(close)
        yield Finding(
            by_share(rows, len(data), 0.02),
            f"atoms closer than {CLOSEST} Å, down to {closest[close].min():.3g} Å, in {len(rows)} structures",
            rows_of(rows),
            "look at them; leave them out unless such collisions are meant",
        )
    tight = (ratio < RATIO) & ~close & ~same
    if tight.any():
        rows = np.flatnonzero(tight)
        yield Finding(
            by_share(rows, len(data), 0.2, 0.001),
            f"atoms closer than half the sum of their covalent radii, down to {closest[tight].min():.3g} "
            "Å, in "
            f"{len(rows)} structures",
            rows_of(rows),
            "look at them; positions and cell may belong to different structures",
        )
