"""Density and volume per atom: labels that every crystal has, for sets that publish geometries alone."""

from __future__ import annotations

import torch
from ase.data import atomic_masses

from atomscape.atoms.structures import Structures
from atomscape.units import AVOGADRO

GRAMS_PER_CM3 = 1e24 / AVOGADRO
"""One dalton per Å³ in g/cm³."""

_MASSES = torch.from_numpy(atomic_masses)


def with_density(structures: Structures) -> Structures:
    """Add ``density`` (g/cm³) and ``volume_per_atom`` (Å³); NaN where a structure is not periodic."""
    volume = structures.volume
    mass = torch.zeros_like(volume).index_add_(0, structures.structure, _MASSES[structures.numbers])
    return structures.with_labels(
        density=mass / volume * GRAMS_PER_CM3, volume_per_atom=volume / structures.counts
    )
