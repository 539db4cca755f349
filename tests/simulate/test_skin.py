"""The Verlet skin: the graph of a search, edge by edge, whoever moves and however far."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.structures import Structures
from atomscape.simulate.skin import NeighbourSkin
from atomscape.testing import cases


def same(a, b) -> bool:
    return all(torch.equal(getattr(a, n), getattr(b, n)) for n in ("centre", "neighbour", "shift"))


@pytest.mark.parametrize("skin", [0.0, 0.3, 2.0])
def test_it_is_the_graph_of_a_search(skin, generator):
    """Molecules, crystals and slabs that walk at random, also out of their cell."""
    s = Structures.concatenate([cases.everything[k]() for k in ("ethanol", "rattled_rocksalt", "fcc")])
    near = NeighbourSkin(3.5, skin)
    for _ in range(30):
        walk = 0.05 * torch.randn(s.n_atoms, 3, generator=generator, dtype=torch.float64)
        s = replace(s, positions=s.positions + walk)
        assert same(near.graph(s), neighbour_graph(s, 3.5))
    assert near.searches == 30 if not skin else 1 <= near.searches < 25
    assert skin != 2.0 or near.searches < 5


def test_a_leap_another_cell_and_other_atoms_are_noticed():
    s = cases.rattled_rocksalt()
    near = NeighbourSkin(3.0, 1.0)
    near.graph(s)
    leap = s.positions.clone()
    leap[0, 0] += 0.51
    others = [
        replace(s, positions=leap),
        replace(s, cell=s.cell * 1.001),
        replace(s, numbers=s.numbers.flip(0)),
        replace(s, pbc=torch.tensor([[True, True, False]])),
        cases.fcc(),
    ]
    for k, other in enumerate(others, 2):
        assert same(near.graph(other), neighbour_graph(other, 3.0))
        assert near.searches == k
    gone = replace(s, positions=s.positions * torch.nan)
    with pytest.raises(ValueError, match="positions must be finite"):
        near.graph(gone)
    with pytest.raises(ValueError, match="skin of -1"):
        NeighbourSkin(3.0, -1.0)
