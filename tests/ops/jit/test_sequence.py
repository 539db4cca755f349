"""The order of the edges: a stable sort, slices of whole rows, and windows around what they reach."""

from __future__ import annotations

import pytest
import torch

from atomscape.ops.jit.sequence import sequence


def graph(edges, rows, seed=0):
    g = torch.Generator().manual_seed(seed)
    return (torch.randint(rows, (edges,), generator=g) for _ in range(2))


@pytest.mark.parametrize("slices", [1, 2, 3, 16])
@pytest.mark.parametrize(("edges", "rows"), [(1, 1), (2, 5), (40, 3), (40, 400), (300, 17), (50, 1)])
def test_stable_order_in_slices_of_whole_rows(edges, rows, slices):
    key, other = graph(edges, rows)
    made = sequence(key, other, rows, slices)
    assert torch.equal(made.order, key.argsort(stable=True))
    bounds = made.bounds.tolist()
    assert (bounds[0], bounds[-1]) == (0, edges)
    assert bounds == sorted(bounds)
    for s in range(slices):
        inside = made.order[bounds[s] : bounds[s + 1]]
        outside = torch.cat([made.order[: bounds[s]], made.order[bounds[s + 1] :]])
        assert not set(key[inside].tolist()) & set(key[outside].tolist()), "a row in two slices"
        low, high = made.windows[s].tolist()
        reached = other[inside].tolist()
        assert (low, high) == ((min(reached), max(reached) + 1) if reached else (0, 0))


def test_slices_are_about_equal():
    key, other = graph(10_000, 500)
    sizes = sequence(key, other, 500, 8).bounds.diff()
    assert sizes.max() < 1.1 * 10_000 / 8


@pytest.mark.parametrize(("place", "wrong"), [(0, -1), (0, 7), (1, -5), (1, 7), (0, 2**62), (1, -(2**63))])
def test_indices_that_are_not_there(place, wrong):
    pair = list(graph(30, 7))
    pair[place][11] = wrong
    with pytest.raises(IndexError, match=r"features are given for 7 atoms: .* 0 … 6") as caught:
        sequence(*pair, 7, 2)
    assert str(wrong) in str(caught.value)
