"""Lengths in another unit: neighbours are typically one covalent distance apart, in Å."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from ase.data import covalent_radii

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.structures import Structures
from atomscape.data.check import Correction, Finding, rows_of
from atomscape.data.examined import Examined
from atomscape.units import BOHR

question = "Are nearest neighbours about a covalent distance apart, so that lengths are in Å?"
quick = True
needs = "structures"

UNITS = {"m": 1e10, "nm": 10.0, "pm": 1e-2, "Bohr": BOHR}
SENSIBLE = (0.75, 1.4)
"""Median distance to the nearest neighbour in units of the sum of covalent radii."""
SAMPLE, LARGEST = 200, 5000


def run(data: Examined) -> Iterator[Finding]:
    """One finding for the whole dataset, where another unit explains its distances and Å does not."""
    rows = data.sample(SAMPLE)
    rows = rows[np.cumsum(data.counts[rows]) <= LARGEST]
    if not len(rows):
        return
    s = data[rows]
    as_read = median_ratio(s)
    if 0.65 < as_read < 1.6:
        return
    for unit, factor in UNITS.items():
        ratio = median_ratio(in_unit(s, factor))
        if not SENSIBLE[0] < ratio < SENSIBLE[1]:
            continue
        as_read = ratio / factor
        yield Finding(
            "serious",
            f"nearest neighbours are typically {as_read:.3g} times their covalent distance apart, and "
            f"{ratio:.2f} times if lengths are in {unit} ({len(rows)} structures looked at)",
            rows_of(range(len(data))),
            f"read positions and cells in {unit}: multiply by {factor:.6g}",
            Correction(f"positions and cells multiplied by {factor:.6g} ({unit} to Å)", _Scaled(factor)),
        )
        return


class _Scaled:
    """Positions and cells times a factor."""

    def __init__(self, factor: float):
        self.factor = factor

    def __call__(self, s: Structures) -> Structures:
        return in_unit(s, self.factor)


def in_unit(s: Structures, factor: float) -> Structures:
    """Structures whose lengths are multiplied by a factor."""
    return replace(s, positions=s.positions * factor, cell=s.cell * factor)


def median_ratio(s: Structures) -> float:
    """Median over atoms of the nearest distance over the sum of covalent radii; 0 beyond matter's density."""
    if not s.pbc.any() and not 0.1 < _extent(s) < 1e5:
        return 0.0
    volume = torch.linalg.det(s.cell.double()).abs().numpy() / np.maximum(s.counts.numpy(), 1)
    dense = s.pbc.all(1).numpy() & ((volume < 1.0) | (volume > 1e6))
    if dense.mean() > 0.5:
        return 0.0
    s = s[np.flatnonzero(~dense)]
    radii = covalent_radii[s.numbers.numpy()]
    nearest = np.full(s.n_atoms, np.inf)
    g = neighbour_graph(s, 5.0)
    ratio = g.vectors.norm(dim=1).numpy() / (radii[g.centre.numpy()] + radii[g.neighbour.numpy()])
    np.minimum.at(nearest, g.centre.numpy(), ratio)
    nearest = nearest[np.isfinite(nearest)]
    return float(np.median(nearest)) if nearest.size > 0.2 * s.n_atoms else np.inf


def _extent(s: Structures) -> float:
    return float((s.positions - s.positions.mean(0)).abs().max()) if s.n_atoms else 0.0
