"""Which structures stand twice: written the same way, or the same but for cell, order and frame."""

from __future__ import annotations

import numpy as np
import torch

from atomscape.atoms.fingerprint import CUTOFF, fingerprints, first_of_kind, has_match, matches
from atomscape.atoms.formulas import reduced_formulas
from atomscape.atoms.structures import Structures
from atomscape.data.examined import Examined
from atomscape.data.geometry_keys import geometry_keys

STATE = ("total_charge", "total_spin")
MOST_ATOMS = 300_000
"""Atoms of the structures that are compared by fingerprints; some minutes."""

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

    Exact repeats are represented by the first of them, and pairs within a group are left out.

    Cheap invariants first (volume per atom, or the three widths of a molecule), then fingerprints of pairs
    of atoms, then those with angles, each only for the rows that the former left in doubt.
    """
    return data.once("same pairs", lambda: _matching(data, *_doubtful(data)))


def looked_at(data: Examined) -> int:
    """Number of rows that ``same_pairs`` decides on; the others would have taken too long."""
    return data.once("looked at", lambda: len(data) - _doubtful(data)[2])


def _doubtful(data: Examined) -> tuple[np.ndarray, np.ndarray, int]:
    """Rows that need fingerprints, numbers of their formulas, and how many more would have needed them."""

    def find() -> tuple[np.ndarray, np.ndarray, int]:
        rows = np.unique(first_rows(data))
        keys = _formula_numbers(data, rows)
        # Formulas of one group only: its frames are near one another without being the same.
        group = np.where(data.groups[rows] < 0, -1 - rows, data.groups[rows])
        alone = np.unique(np.unique(np.stack([keys, group], axis=1), axis=0)[:, 0], return_counts=True)
        several = np.isin(keys, alone[0][alone[1] > 1])
        rows, keys = rows[several], keys[several]
        sizes = _sizes(data, rows)
        near = has_match(keys, sizes)
        rows, keys = rows[near], keys[near]
        kept = _affordable(data.counts[rows], keys, sizes[near])
        return rows[kept], keys[kept], len(rows) - len(kept)

    return data.once("doubtful rows", find)


def _affordable(counts: np.ndarray, keys: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Which rows are compared, of so many atoms: formulas in a random but fixed order, like beside like."""
    place = np.random.default_rng(0).permutation(keys.max(initial=-1) + 1)[keys]
    order = np.lexsort((sizes[:, 0], place))
    within = np.cumsum(counts[order]) <= MOST_ATOMS
    return np.sort(order[within])


def _matching(data: Examined, rows: np.ndarray, keys: np.ndarray, _: int) -> np.ndarray:
    """Pairs among these rows, none within a group."""
    group, left = data.groups[rows], np.arange(len(rows))
    for angles in (False, True):
        pairs = left[matches(keys[left], _fingerprints(data, rows[left], angles))]
        pairs = pairs[(group[pairs[:, 0]] != group[pairs[:, 1]]) | (group[pairs[:, 0]] < 0)]
        left = np.unique(pairs)
    return rows[pairs]


def kinds(data: Examined) -> np.ndarray:
    """For each row the number of the first that it is the same as, written alike or not."""
    alike = np.stack([first_rows(data), np.arange(len(data))], axis=1)
    return first_of_kind(len(data), np.concatenate([alike, same_pairs(data)]))


def across(data: Examined, other: Examined) -> np.ndarray:
    """Rows here that stand in the other dataset too."""
    both = kinds(Examined(_Both(data, other), {}, (), None, np.r_[data.counts, other.counts]))
    return np.flatnonzero(np.isin(both[: len(data)], both[len(data) :]))


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
