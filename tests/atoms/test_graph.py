"""Graphs: vectors with their derivatives, selection and joining."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from atomscape.atoms.graph import Graph
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.structures import Structures
from atomscape.testing import cases


def same(a: Graph, b: Graph) -> bool:
    return all(torch.equal(getattr(a, k), getattr(b, k)) for k in ("centre", "neighbour", "shift"))


def moved(graph: Graph, positions: torch.Tensor, cell: torch.Tensor) -> torch.Tensor:
    return graph.with_structures(replace(graph.structures, positions=positions, cell=cell)).vectors


def test_vector_is_neighbour_minus_centre():
    graph = neighbour_graph(cases.diatomic(), 2.0)
    assert graph.centre.tolist() == [0, 1]
    x = graph.structures.positions
    assert torch.equal(graph.vectors, torch.stack([x[1] - x[0], x[0] - x[1]]))


def test_vectors_add_whole_lattice_vectors():
    graph = neighbour_graph(cases.skewed_cell(), 4.0)
    s = graph.structures
    by_hand = s.positions[graph.neighbour] + graph.shift.double() @ s.cell[0] - s.positions[graph.centre]
    assert torch.allclose(graph.vectors, by_hand, atol=1e-14)


def test_derivatives_reach_positions_and_cell():
    graph = neighbour_graph(cases.mixed_batch(), 3.0)
    x = graph.structures.positions.clone().requires_grad_(True)
    cell = graph.structures.cell.clone().requires_grad_(True)
    of_x, of_cell = torch.autograd.grad(moved(graph, x, cell).square().sum(), (x, cell))
    v = graph.vectors
    expected = torch.zeros_like(x).index_add(0, graph.neighbour, 2 * v).index_add(0, graph.centre, -2 * v)
    assert torch.allclose(of_x, expected, atol=1e-10)
    owner = graph.structures.structure[graph.centre]
    outer = torch.einsum("ei,ej->eij", graph.shift.double(), 2 * v)
    assert torch.allclose(of_cell, torch.zeros_like(cell).index_add(0, owner, outer), atol=1e-10)
    assert float(of_cell.abs().max()) > 1


def test_gradcheck():
    graph = neighbour_graph(cases.small_cell(), 2.2)
    x = graph.structures.positions.clone().requires_grad_(True)
    cell = graph.structures.cell.clone().requires_grad_(True)
    assert torch.autograd.gradcheck(lambda a, b: moved(graph, a, b), (x, cell))


def test_offsets():
    graph = neighbour_graph(cases.mixed_batch(), 3.0)
    rows = graph.row_offsets
    assert len(rows) == graph.n_atoms + 1
    for a in (0, 9, graph.n_atoms - 1):
        assert bool((graph.centre[rows[a] : rows[a + 1]] == a).all())
    edges = graph.edge_offsets
    assert int(edges[-1]) == graph.n_edges
    assert (edges[1:] - edges[:-1]).tolist() == [neighbour_graph(s, 3.0).n_edges for s in graph.structures]


@pytest.mark.parametrize("index", [3, -1, slice(1, 6, 2), [5, 0, 5], [], torch.tensor([7, 1])], ids=str)
def test_selection_is_the_graph_of_the_selection(index):
    graph = neighbour_graph(cases.mixed_batch(), 3.0)
    chosen = graph[index]
    assert same(chosen, neighbour_graph(graph.structures[index], 3.0))
    assert torch.equal(chosen.vectors, neighbour_graph(graph.structures[index], 3.0).vectors)


def test_joining_graphs_is_the_graph_of_the_batch():
    batch = cases.mixed_batch()
    joined = Graph.concatenate(neighbour_graph(s, 3.0) for s in batch)
    assert same(joined, neighbour_graph(batch, 3.0))
    assert torch.equal(joined.structures.positions, batch.positions)


def test_joining_different_cutoffs_is_refused():
    with pytest.raises(ValueError, match=r"cutoffs \[2.0, 3.0\]"):
        Graph.concatenate([neighbour_graph(cases.water(), c) for c in (2.0, 3.0)])
    with pytest.raises(ValueError, match="no graph at all"):
        Graph.concatenate([])


def test_dtype_moves_floats_only():
    graph = neighbour_graph(cases.rocksalt(), 3.0).to(dtype=torch.float32)
    assert graph.vectors.dtype == torch.float32
    assert graph.shift.dtype == torch.int64
    assert graph.structures.numbers.dtype == torch.int64


def test_empty_graph():
    graph = neighbour_graph(Structures.empty(), 3.0)
    assert graph.vectors.shape == (0, 3)
    assert graph.row_offsets.tolist() == [0]
    assert graph[[]].n_edges == 0
