"""Which structures stand twice: written the same way, or the same but for cell, order and frame."""

from __future__ import annotations

import numpy as np
import torch

from atomscape.atoms.fingerprint import CUTOFF, SAME, fingerprints, matches
from atomscape.atoms.formulas import reduced_formulas
from atomscape.atoms.structures import Structures
from atomscape.data.examined import Examined
from atomscape.data.geometry_keys import geometry_keys

STATE = ("total_charge", "total_spin")
MOST_ATOMS = 6_000_000
FIRST_LOOK = 4.0
"""Å; cutoff of the fingerprints without angles, which only choose what to look at closely."""


def first_rows(data: Examined) -> np.ndarray:
    """For each row the first with the same geometry key, total charge and multiplicity."""

    def find() -> np.ndarray:
        keys = [geometry_keys(s) for _, s in data.chunks()]
        key = np.concatenate(keys) if keys else np.zeros(0, np.uint64)
        state = [np.nan_to_num(data.values(k), nan=-1e6) for k in STATE if k in data.properties]
        table = np.stack([key, *(v.view(np.uint64) for v in state)], axis=1)
        _, first, which = np.unique(table, axis=0, return_index=True, return_inverse=True)
        return first[which.reshape(-1)]

    return data.once("first rows", find)


def same_pairs(data: Examined) -> np.ndarray:
    """Pairs (i < j) of rows that are one structure, also in another cell, order or frame [pairs, 2].

    Pairs within a group are left out.

    Cheap invariants first (volume per atom, or the three widths of a molecule), then fingerprints of pairs
    of atoms, then those with angles, each only for the rows that the former left in doubt.
    """
    return data.once("same pairs", lambda: matching(data, looked_at(data)))


def looked_at(data: Examined) -> np.ndarray:
    """Rows that are compared: all, or as many, evenly spread, as have six million atoms together."""
    every = np.arange(len(data))
    share = MOST_ATOMS / max(int(data.counts.sum()), 1)
    return every if share >= 1 else data.sample(int(share * len(data)), every)


def matching(data: Examined, rows: np.ndarray) -> np.ndarray:
    """Pairs among these rows, none within a group."""
    keys, group = _formula_numbers(data, rows), data.groups[rows]
    left, features = np.arange(len(rows)), _sizes(data, rows)
    for angles in (False, True):
        pairs = left[matches(keys[left], features, SAME)]
        # Frames of one trajectory are near one another without being the same.
        pairs = pairs[(group[pairs[:, 0]] != group[pairs[:, 1]]) | (group[pairs[:, 0]] < 0)]
        left = np.unique(pairs)
        features = _fingerprints(data, rows[left], angles)
    pairs = left[matches(keys[left], features, SAME)]
    return rows[pairs]


def across(data: Examined, other: Examined) -> np.ndarray:
    """Pairs of a row here and a row of the other dataset that are one structure [pairs, 2]."""
    both = Examined(_Both(data, other), {}, (), None, np.r_[data.counts, other.counts])
    pairs = same_pairs(both)
    between = (pairs[:, 0] < len(data)) & (pairs[:, 1] >= len(data))
    return pairs[between] - [0, len(data)]


class _Both:
    """Rows of two datasets, one after the other, without labels."""

    def __init__(self, first: Examined, second: Examined):
        self.first, self.second = first, second

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def __getitem__(self, index) -> Structures:
        rows: np.ndarray = np.atleast_1d(np.arange(len(self))[index])
        here = np.less(rows, len(self.first))
        parts = [self.first[rows[here]], self.second[rows[~here] - len(self.first)]]
        parts = [Structures(s.positions, s.numbers, s.cell, s.pbc, s.structure) for s in parts if len(s)]
        order = np.argsort(np.r_[np.flatnonzero(here), np.flatnonzero(~here)])
        return Structures.concatenate(parts)[order]


def _formula_numbers(data: Examined, rows: np.ndarray) -> np.ndarray:
    """A number for each reduced formula; of molecules, for each formula."""
    names: list[tuple[str, int]] = []
    for _, s in data.chunks(rows):
        atoms = torch.where(s.pbc.any(1), torch.zeros_like(s.counts), s.counts).tolist()
        names += zip(reduced_formulas(s), atoms, strict=True)
    known: dict[tuple[str, int], int] = {}
    return np.array([known.setdefault(name, len(known)) for name in names], dtype=np.int64)


def _sizes(data: Examined, rows: np.ndarray) -> np.ndarray:
    """Cheap invariants in units in which equal structures differ by less than the tolerance.

    Crystals: the cube root of the volume per atom. Molecules: roots of the principal second moments (Å).
    """
    parts = [np.zeros((0, 3))]
    for _, s in data.chunks(rows):
        x, owner, n = s.positions.detach().double(), s.structure, len(s)
        counts = s.counts.double()[:, None]
        mean = torch.zeros(n, 3, dtype=torch.float64).index_add(0, owner, x) / counts
        x = x - mean[owner]
        moments = torch.zeros(n, 3, 3, dtype=torch.float64).index_add(0, owner, x[:, :, None] * x[:, None])
        widths = torch.linalg.eigvalsh(moments / counts[:, :, None]).clamp_min(0).sqrt()
        free = ~s.pbc.any(1)
        edge = (s.volume.double() / s.counts) ** (1 / 3)
        edge = torch.where(s.pbc.all(1), edge, torch.zeros_like(edge))
        crystals = torch.stack([edge, torch.zeros_like(edge), torch.zeros_like(edge)], dim=1)
        parts.append(torch.where(free[:, None], widths, crystals).numpy())
    return np.concatenate(parts)


def _fingerprints(data: Examined, rows: np.ndarray, angles: bool) -> np.ndarray:
    cutoff = CUTOFF if angles else FIRST_LOOK
    parts = [fingerprints(s, angles, cutoff).numpy() for _, s in data.chunks(rows)]
    return np.concatenate(parts) if parts else np.zeros((0, 1))
