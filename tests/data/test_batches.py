"""Laws of batches: each structure once per epoch, budgets kept, exact resumption."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomscape.data.batches import Batches

COUNTS = st.lists(st.integers(0, 30), max_size=60).map(np.array)
LIMIT = st.none() | st.integers(1, 40)


@given(COUNTS, COUNTS, LIMIT, LIMIT, LIMIT, st.booleans(), st.integers(0, 5))
def test_laws(atoms, edges, max_structures, max_atoms, max_edges, shuffle, epoch) -> None:
    if (max_structures, max_atoms, max_edges) == (None, None, None):
        max_structures = 7
    edges = np.resize(edges, len(atoms)) if len(edges) else np.zeros(len(atoms), int)
    batches = Batches(atoms, max_structures, max_atoms, max_edges, edges, shuffle=shuffle, seed=3)
    parts = list(batches.epoch(epoch))
    joined = np.concatenate([np.zeros(0, int), *parts])
    assert sorted(joined.tolist()) == list(range(len(atoms))), "each structure once per epoch"
    assert batches.count(epoch) == len(parts)
    for part in parts:
        assert len(part) >= 1
        fits = [
            max_structures is None or len(part) <= max_structures,
            max_atoms is None or atoms[part].sum() <= max_atoms,
            max_edges is None or edges[part].sum() <= max_edges,
        ]
        assert all(fits) or len(part) == 1, "over budget only alone"
    if not shuffle:
        assert joined.tolist() == list(range(len(atoms)))
    for skip in (0, 1, len(parts) // 2, len(parts), len(parts) + 3):
        rest = list(batches.epoch(epoch, skip))
        assert [r.tolist() for r in rest] == [p.tolist() for p in parts[skip:]], "resumes exactly"


@given(COUNTS, st.integers(1, 20), st.integers(1, 5), st.integers(0, 3))
def test_groups_are_the_same_batches_in_the_same_order(atoms, limit, size, epoch) -> None:
    batches = Batches(atoms, limit, seed=1)
    every = [b.tolist() for b in batches.epoch(epoch)]
    groups = batches.groups(epoch, size)
    assert [b.tolist() for g in groups for b in g] == every, "none is left out"
    assert all(len(g) == size for g in groups[:-1])
    assert all(1 <= len(g) <= size for g in groups[-1:])


def test_batches_are_full() -> None:
    """A batch is closed only when the next structure would not fit."""
    atoms = np.random.default_rng(0).integers(1, 12, 500)
    parts = list(Batches(atoms, max_atoms=64, seed=1).epoch(0))
    for part, following in pairwise(parts):
        assert atoms[part].sum() + atoms[following[0]] > 64


def test_order_depends_on_seed_and_epoch_only() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return np.concatenate(list(Batches(np.ones(100), 8, seed=seed).epoch(epoch))).tolist()

    assert order(0, 0) == order(0, 0)
    assert order(0, 0) != order(0, 1)
    assert order(0, 0) != order(1, 0)
    assert order(0, 1) != order(1, 0)


@pytest.mark.parametrize("limits", [{}, {"max_structures": 0}, {"max_atoms": -1}])
def test_budget_is_needed(limits) -> None:
    with pytest.raises(ValueError, match="budget of at least 1"):
        Batches(np.ones(3), **limits)


def test_edges_are_needed_for_their_budget() -> None:
    with pytest.raises(ValueError, match="max_edges needs edges"):
        Batches(np.ones(3), max_edges=5)
