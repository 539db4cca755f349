"""Cached graphs are the graphs, whatever the batch."""

from __future__ import annotations

import pytest
import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.learn.graphs import GraphSet, ranges

PER_ATOM = frozenset({"forces", "charges"})


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("cache_bytes", [1e9, 0.0])
def test_batch_equals_a_graph_built_anew(toy_structures, periodic, cache_bytes):
    s = toy_structures(12, periodic=periodic)
    graphs = GraphSet(s, torch.arange(12) % 2, PER_ATOM, 3.0, cache_bytes)
    assert (graphs.edges is None) == (cache_bytes == 0)
    chosen = [7, 0, 7, 3]
    graph, dataset = graphs.batch(chosen)
    expected = neighbour_graph(s[chosen], 3.0)
    for name in ("centre", "neighbour", "shift", "vectors"):
        assert torch.equal(getattr(graph, name), getattr(expected, name)), name
    assert graph.centre.dtype == torch.int64
    assert dataset.tolist() == [1, 0, 1, 1]
    for name, values in s[chosen].labels.items():
        assert torch.equal(graph.structures.labels[name].nan_to_num(-1), values.nan_to_num(-1)), name


def test_edge_counts_and_average(toy_structures):
    s = toy_structures(300)  # more than one chunk
    graphs = GraphSet(s, torch.zeros(300, dtype=torch.int64), PER_ATOM, 3.0)
    whole = neighbour_graph(s, 3.0)
    assert int(graphs.edge_counts.sum()) == whole.n_edges
    assert graphs.average_neighbours == pytest.approx(whole.n_edges / s.n_atoms)
    assert torch.equal(graphs.batch(range(300))[0].neighbour, whole.neighbour)


def test_empty_batch(toy_structures):
    s = toy_structures(3)
    graph, dataset = GraphSet(s, torch.zeros(3, dtype=torch.int64), PER_ATOM, 3.0).batch([])
    assert (len(graph.structures), graph.n_edges, len(dataset)) == (0, 0, 0)


def test_ranges():
    assert ranges(torch.tensor([5, 0, 9]), torch.tensor([2, 0, 3])).tolist() == [5, 6, 9, 10, 11]
