"""Cached graphs are the graphs, whatever the batch."""

from __future__ import annotations

import pytest
import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.data.corruptions import remove_atoms
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


def one_of_two_corrupted(s, others=None):
    """Datasets in turn; the first (and the second as ``others`` says) lack atoms."""
    settings = {0: {}} | ({} if others is None else {1: others})
    corruptions = {d: remove_atoms.build(remove_atoms.Config(**c)) for d, c in settings.items()}
    return GraphSet(s, torch.arange(len(s)) % 2, PER_ATOM, 3.0, corruptions=corruptions, seed=4)


def test_a_corruption_changes_its_dataset_alone(toy_structures):
    s = toy_structures(8)
    graphs = one_of_two_corrupted(s)
    graph, dataset = graphs.batch([3, 4, 0, 1, 7])
    left = graph.structures
    assert (s.counts[[3, 4, 0, 1, 7]] - left.counts).tolist() == [0, 1, 1, 0, 0] == (dataset == 0).tolist()
    assert left.labels["missing_numbers"][:, 0].isfinite().tolist() == (dataset == 0).tolist()
    assert torch.equal(left.labels["energy"][[0, 3, 4]], s.labels["energy"][[3, 1, 7]])
    assert left.labels["energy"][[1, 2]].isnan().all()
    assert torch.equal(left[3].positions, s[1].positions)


def test_batches_without_a_corrupted_structure_say_that_nothing_is_known(toy_structures):
    graph, _ = one_of_two_corrupted(toy_structures(8)).batch([1, 5])
    assert graph.structures.labels["missing_positions"].isnan().all()


def test_datasets_that_lack_different_numbers_of_atoms_share_a_batch(toy_structures):
    graphs = one_of_two_corrupted(toy_structures(8), {"least": 2, "most": 2})
    for chosen in ([0, 1, 2, 3], [0, 2], [1, 3]):
        numbers = graphs.batch(chosen)[0].structures.labels["missing_numbers"]
        assert numbers.isfinite().sum(1).tolist() == [1 + k % 2 for k in chosen]
        assert numbers.shape == (len(chosen), 2)


def test_a_corruption_is_a_function_of_seed_epoch_and_batch(toy_structures):
    s = toy_structures(8)
    graphs, again = one_of_two_corrupted(s), one_of_two_corrupted(s)
    graphs.batch([0, 1])  # what was drawn before makes no difference
    first, same, later = (g.batch(range(8), e)[0] for g, e in ((graphs, 2), (again, 2), (again, 3)))
    assert torch.equal(first.structures.positions, same.structures.positions)
    missing = [g.structures.labels["missing_positions"] for g in (first, later)]
    assert not torch.equal(*(x.nan_to_num() for x in missing))


def test_ranges():
    assert ranges(torch.tensor([5, 0, 9]), torch.tensor([2, 0, 3])).tolist() == [5, 6, 9, 10, 11]
