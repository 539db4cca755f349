"""Energies per atom among totals, and totals among energies per atom."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from atomscape.data.check import Correction, Finding, rows_of
from atomscape.data.edits import Multiplied
from atomscape.data.examined import Examined
from atomscape.data.residuals import bound_rows, misfit

question = "Do extensive labels grow with the structure, and intensive ones not?"
quick = True
needs = "energies of structures of several sizes"

NAMES = ("energy", "formation_energy")
SAMPLE = 4000
CLEAR = 0.3
"""Ratio of misfits below which one reading is believed."""


def run(data: Examined) -> Iterator[Finding]:
    """Fit energies by numbers and by fractions of elements; the better fit says what they are."""
    counts, elements = data.composition
    for name in NAMES:
        if name not in data.properties:
            continue
        values = data.values(name)
        rows = data.sample(SAMPLE, bound_rows(data, values))
        sizes = counts[rows].sum(1)
        if len(rows) < 2 * len(elements) + 10 or not _sizes_vary(sizes):
            continue
        total, share = (
            float(np.std(misfit(f, values[rows]))) for f in (counts[rows], counts[rows] / sizes[:, None])
        )
        every = rows_of(range(len(data)))
        evidence = (
            f"{name} is fitted to {share:.3g} by fractions of elements and to {total:.3g} by their numbers "
            f"({len(rows)} structures)"
        )
        if data.properties[name].extensive and share < CLEAR * total:
            edit = Correction(f"{name} multiplied by the number of atoms", Multiplied((name,), 1.0, True))
            says = "it is per atom: multiply by the number of atoms"
            yield Finding("serious", f"{evidence}: it does not grow with the structure", every, says, edit)
        if not data.properties[name].extensive and total < CLEAR * share:
            says = "it is in total: divide by the number of atoms"
            yield Finding("serious", f"{evidence}: it grows with the structure", every, says)


def _sizes_vary(sizes: np.ndarray) -> bool:
    """Whether at least five structures are a third smaller than the rest, or five larger."""
    ordered = np.sort(sizes)
    middle = float(np.median(ordered))
    return len(ordered) > 10 and max(float(ordered[-5]) / middle, middle / float(ordered[4])) > 1.5
