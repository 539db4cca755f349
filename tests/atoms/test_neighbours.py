"""The neighbour search finds exactly the pairs that trying every image finds, in the same order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from ase.build import bulk, fcc111, graphene
from ase.geometry import minkowski_reduce
from ase.neighborlist import neighbor_list
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atomscape.atoms.ase import from_ase
from atomscape.atoms.cells import heights
from atomscape.atoms.neighbours import brute_force_graph, neighbour_graph
from atomscape.atoms.structures import Structures
from atomscape.testing import cases
from atomscape.testing.strategies import drawn, sketches

some = settings(
    max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


def same(a, b) -> bool:
    return all(torch.equal(getattr(a, k), getattr(b, k)) for k in ("centre", "neighbour", "shift"))


def rough(seed: int) -> Structures:
    """One structure of any periodicity in a cell that may be tiny, skewed or left-handed; atoms anywhere."""
    rng = np.random.default_rng(seed)
    while True:
        pbc = rng.random(3) < 0.6
        cell = rng.normal(size=(3, 3)) * rng.choice([1.5, 3.0, 8.0])
        cell[2] += rng.choice([0, 0, 3]) * cell[0] - rng.choice([0, 0, 2]) * cell[1]
        if heights(cell[None], pbc[None]).min() > 1.0:
            break
    if rng.random() < 0.5:
        cell[~pbc] = 0
    n = int(rng.integers(0, 8))
    return Structures.of(rng.normal(size=(n, 3)) * rng.choice([1.0, 5.0]), np.ones(n, int), cell, pbc)


@some
@given(st.lists(st.integers(0, 10**6), max_size=4), st.sampled_from([0.7, 1.5, 3.0, 4.5]))
def test_equals_brute_force(seeds, cutoff):
    structures = Structures.concatenate([rough(s) for s in seeds])
    assert same(neighbour_graph(structures, cutoff), brute_force_graph(structures, cutoff))


@some
@given(sketches, st.floats(1.0, 7.0))
def test_equals_brute_force_on_drawn_structures(plan, cutoff):
    structures = drawn(plan)
    assert same(neighbour_graph(structures, cutoff), brute_force_graph(structures, cutoff))


@pytest.mark.parametrize("name", cases.everything)
def test_equals_brute_force_on_every_case(name):
    structures = cases.everything[name]()
    assert same(neighbour_graph(structures, 5.0), brute_force_graph(structures, 5.0))


def test_a_very_skewed_cell():
    """Images are found by the cell's heights, not by its edges: a reduced cell has the same distances."""
    cell = np.array([[2.0, 0, 0], [11.3, 1.9, 0], [-9.1, 6.2, 2.1]])
    skewed = Structures.of([[0.1, 0.2, 0.3], [1.0, 1.1, 0.9]], [6, 8], cell)
    short, _ = minkowski_reduce(cell)
    straight = replace(skewed, cell=torch.from_numpy(np.array(short))[None])
    a, b = neighbour_graph(skewed, 3.0), neighbour_graph(straight, 3.0)
    assert a.n_edges > 30
    assert same(a, brute_force_graph(skewed, 3.0))
    lengths = [g.vectors.norm(dim=1).sort().values for g in (a, b)]
    assert torch.allclose(*lengths, atol=1e-9)


@pytest.mark.parametrize(
    "image",
    [
        bulk("Cu", cubic=True),
        bulk("Si"),
        bulk("NaCl", "rocksalt", a=5.64),
        fcc111("Al", (2, 2, 3), vacuum=6.0),
        graphene(vacuum=None),
    ],
    ids=lambda a: a.get_chemical_formula(),
)
def test_agrees_with_ase(image):
    image.rattle(0.05, seed=1)
    if image.cell.rank < 3:
        image.pbc = (True, True, False)
    graph = neighbour_graph(from_ase(image), 4.7)
    i, j, s = neighbor_list("ijS", image, 4.7)
    order = np.lexsort((s[:, 2], s[:, 1], s[:, 0], j, i))
    assert graph.centre.tolist() == i[order].tolist()
    assert graph.neighbour.tolist() == j[order].tolist()
    assert graph.shift.tolist() == s[order].tolist()


def test_an_edge_has_its_reverse_and_is_shorter_than_the_cutoff():
    graph = neighbour_graph(cases.mixed_batch(), 4.0)
    assert float(graph.vectors.norm(dim=1).max()) < 4.0
    edges = set(
        zip(graph.centre.tolist(), graph.neighbour.tolist(), map(tuple, graph.shift.tolist()), strict=True)
    )
    assert len(edges) == graph.n_edges
    assert all((j, i, tuple(-k for k in s)) in edges for i, j, s in edges)


def test_the_cutoff_itself_is_outside():
    pair = Structures.of([[0, 0, 0], [2.0, 0, 0]], [1, 1])
    assert neighbour_graph(pair, 2.0).n_edges == 0
    assert neighbour_graph(pair, 2.0 + 1e-12).n_edges == 2
    chain = Structures.of([[0, 0, 0]], [1], [2.0, 0, 0], (True, False, False))
    assert neighbour_graph(chain, 2.0).n_edges == 0
    assert neighbour_graph(chain, 2.0 + 1e-12).n_edges == 2


def test_an_atom_is_neighbour_of_its_images_but_not_of_itself():
    graph = neighbour_graph(cases.one_atom_crystal(), 3.0)
    assert graph.n_edges == 12
    assert bool((graph.centre == graph.neighbour).all())
    assert bool(graph.shift.any(1).all())


def test_unwrapped_atoms_and_other_origins_give_the_same_distances():
    crystal = cases.rattled_rocksalt()
    far = torch.arange(24).reshape(8, 3) % 5 - 2
    moved = replace(crystal, positions=crystal.positions + far.double() @ crystal.cell[0] + 100.0)
    a, b = (neighbour_graph(s, 5.0) for s in (crystal, moved))
    assert a.row_offsets.tolist() == b.row_offsets.tolist()
    assert torch.allclose(
        a.vectors.norm(dim=1).sort().values, b.vectors.norm(dim=1).sort().values, atol=1e-10
    )


def test_edges_are_sorted_and_in_whole_numbers():
    graph = neighbour_graph(cases.mixed_batch(), 5.0)
    assert graph.centre.dtype == graph.neighbour.dtype == graph.shift.dtype == torch.int64
    rows = torch.cat([graph.centre[:, None], graph.neighbour[:, None], graph.shift], 1).tolist()
    assert rows == sorted(rows)


def test_nothing_and_single_atoms():
    assert neighbour_graph(Structures.empty(), 5.0).n_edges == 0
    lonely = Structures.concatenate([cases.isolated_atom(), cases.far_apart(), Structures.of([], [])])
    assert neighbour_graph(lonely, 5.0).n_edges == 0


def test_coincident_atoms_are_neighbours_at_distance_zero():
    graph = neighbour_graph(Structures.of(np.zeros((2, 3)), [1, 1]), 1.0)
    assert graph.centre.tolist() == [0, 1]
    assert float(graph.vectors.abs().max()) == 0.0


def test_float32_positions_are_searched_in_float64():
    crystal = cases.rattled_rocksalt().to(dtype=torch.float32)
    assert same(neighbour_graph(crystal, 5.0), neighbour_graph(crystal.to(dtype=torch.float64), 5.0))


@pytest.mark.parametrize("cutoff", [0.0, -1.0, float("nan"), float("inf")])
def test_a_cutoff_must_be_positive(cutoff):
    with pytest.raises(ValueError, match="positive"):
        neighbour_graph(cases.water(), cutoff)


def test_bad_geometry_is_refused():
    nan = replace(cases.water(), positions=torch.full((3, 3), torch.nan).double())
    with pytest.raises(ValueError, match=r"atom 0 \(structure 0\) has position"):
        neighbour_graph(nan, 5.0)
    flat = replace(cases.fcc(), cell=torch.ones(1, 3, 3).double())
    with pytest.raises(ValueError, match=r"cell of structure 0 is singular.*pbc=\[T,T,T\]"):
        neighbour_graph(flat, 5.0)


def test_positions_that_carry_gradients_are_accepted():
    water = cases.water()
    leaf = replace(water, positions=water.positions.clone().requires_grad_(True))
    assert neighbour_graph(leaf, 2.0).vectors.requires_grad
