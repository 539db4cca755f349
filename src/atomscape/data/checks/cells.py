"""Cells: volume per atom, and handedness."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from atomscape.data.check import Finding, by_share, rows_of
from atomscape.data.examined import Examined

question = "Do cells have room for their atoms, not too little and not too much, and right-handed axes?"
quick = True
needs = "crystals"

VOLUMES = (3.0, 150.0)  # Å³ per atom


def run(data: Examined) -> Iterator[Finding]:
    """Crystals that are far too dense or mostly vacuum, and left-handed cells."""
    volume, handed = np.full(len(data), np.nan), np.ones(len(data))
    for here, s in data.chunks():
        periodic = s.pbc.all(1).numpy()
        signed = np.linalg.det(s.cell.detach().double().numpy())
        volume[here] = np.where(periodic, np.abs(signed) / s.counts.numpy(), np.nan)
        handed[here] = np.where(periodic, np.sign(signed), 1)
    dense, loose = np.flatnonzero(volume < VOLUMES[0]), np.flatnonzero(volume > VOLUMES[1])
    if dense.size:
        text = f"less than {VOLUMES[0]:g} Å³ per atom, down to {volume[dense].min():.3g}"
        yield Finding(by_share(dense, len(data), 0.1), text, rows_of(dense), "compare cell and positions")
    if loose.size:
        text = (
            f"more than {VOLUMES[1]:g} Å³ per atom, up to {volume[loose].max():.4g}: vacuum inside the cell"
        )
        proposal = "nothing, if they are surfaces or molecules in a box; stresses mean little there"
        yield Finding("note", text, rows_of(loose), proposal)
    left = np.flatnonzero(handed < 0)
    if left.size:
        text = f"the axes of {left.size} cells are left-handed"
        proposal = "nothing: volumes are taken positive here; other programs may not do so"
        yield Finding("note", text, rows_of(left), proposal)
