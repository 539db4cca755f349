"""A number per structure that copies share: equal elements, positions, cell and periodicity, atom by atom.

Positions are taken from the first atom, so that a shift of the whole does not matter, and lengths compared to
four decimals (Å). Copies that were turned or had their atoms reordered have other numbers; ``copies`` finds
those, at a cost.
"""

from __future__ import annotations

import numpy as np

from atomscape.atoms.structures import Structures

DECIMALS = 4


def geometry_keys(structures: Structures) -> np.ndarray:
    """Key of each structure (uint64): a sum over atoms of a hash of place, element and position."""
    s = structures
    offsets = s.offsets.cpu().numpy()
    place = np.arange(s.n_atoms) - np.repeat(offsets[:-1], np.diff(offsets))
    x = s.positions.detach().cpu().double().numpy()
    first = offsets[:-1][s.structure.cpu().numpy()]
    atoms = _hashed(place, s.numbers.cpu().numpy(), *_whole(x - x[first]).T)
    summed = np.r_[np.uint64(0), np.cumsum(atoms, dtype=np.uint64)]
    cells = _whole(s.cell.detach().cpu().double().numpy()).reshape(len(s), 9)
    return _hashed(summed[offsets[1:]] - summed[offsets[:-1]], *cells.T, *s.pbc.cpu().numpy().T)


def _whole(lengths: np.ndarray) -> np.ndarray:
    return np.rint(lengths * 10**DECIMALS).astype(np.int64)


def _hashed(*columns: np.ndarray) -> np.ndarray:
    """Hash of rows: splitmix64 (S. Vigna) folded over the columns."""
    state = np.zeros(len(columns[0]), dtype=np.uint64)
    for column in columns:
        x = (state ^ column.astype(np.uint64)) + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state = x ^ (x >> np.uint64(31))
    return state
