"""Dictionaries of tensors as PyG networks pass them: order of the edges and sign of the vectors."""

from __future__ import annotations

import pytest
import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.pyg import graph_from_pyg, graph_to_pyg, structures_from_pyg, structures_to_pyg
from atomscape.atoms.structures import Structures
from atomscape.o3.harmonics import spherical_harmonics
from atomscape.testing import cases

CONVENTIONS = ("e3nn", "nequip", "fairchem")
BATCH = cases.mixed_batch()


def labelled() -> Structures:
    g = torch.Generator().manual_seed(0)
    return BATCH.with_labels(
        energy=torch.randn(len(BATCH), generator=g).double(),
        forces=torch.randn(BATCH.n_atoms, 3, generator=g).double(),
    )


def mace(t):
    """mace/data: sender, receiver = edge_index; vectors = x[receiver] − x[sender] + unit_shifts·cell."""
    sender, receiver = t["edge_index"]
    cell = t["cell"][t["batch"][sender]]
    return t["pos"][receiver] - t["pos"][sender] + torch.einsum(
        "ei,eij->ej", t["edge_shift"].double(), cell
    ), receiver


def nequip(t):
    """nequip: centre, neighbour = edge_index; vectors = x[neighbour] − x[centre] + edge_cell_shift·cell."""
    centre, neighbour = t["edge_index"]
    cell = t["cell"][t["batch"][centre]]
    return t["pos"][neighbour] - t["pos"][centre] + torch.einsum(
        "ei,eij->ej", t["edge_shift"].double(), cell
    ), centre


def fairchem(t):
    """fairchem: source, target = edge_index; vectors = x[source] − x[target] + cell_offsets·cell."""
    source, target = t["edge_index"]
    cell = t["cell"][t["batch"][target]]
    return t["pos"][source] - t["pos"][target] + torch.einsum(
        "ei,eij->ej", t["edge_shift"].double(), cell
    ), target


@pytest.mark.parametrize(
    ("convention", "theirs", "sign"), [("e3nn", mace, -1), ("nequip", nequip, 1), ("fairchem", fairchem, 1)]
)
def test_odd_features_have_the_sign_of_the_convention(convention, theirs, sign):
    """Σ_j Y_1(v) at the receiving atom, by the formula of each network, against ours."""
    graph = neighbour_graph(BATCH, 3.5)
    tensors = graph_to_pyg(graph, convention)
    vectors, receiver = theirs(tensors)
    assert torch.allclose(vectors, tensors["edge_vec"], atol=1e-12)
    zero = torch.zeros(BATCH.n_atoms, 4, dtype=torch.float64)
    there = zero.index_add(0, receiver, spherical_harmonics(vectors, 1))
    here = zero.index_add(0, graph.centre, spherical_harmonics(graph.vectors, 1))
    assert float(here[:, 1:].abs().max()) > 0.5
    assert torch.allclose(there[:, 0], here[:, 0])
    assert torch.allclose(there[:, 1:], sign * here[:, 1:], atol=1e-10)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_round_trip(convention):
    graph = neighbour_graph(labelled(), 3.5)
    tensors = graph_to_pyg(graph, convention)
    shuffled = torch.randperm(graph.n_edges, generator=torch.Generator().manual_seed(1))
    tensors["edge_index"] = tensors["edge_index"][:, shuffled]
    tensors["edge_shift"] = tensors["edge_shift"][shuffled]
    back = graph_from_pyg(tensors, 3.5, convention)
    for name in ("centre", "neighbour", "shift"):
        assert torch.equal(getattr(back, name), getattr(graph, name))
    for name in ("positions", "numbers", "cell", "pbc", "structure"):
        assert torch.equal(getattr(back.structures, name), getattr(graph.structures, name))
    assert torch.equal(back.structures.labels["forces"], graph.structures.labels["forces"])


def test_other_names_and_shapes():
    tensors = structures_to_pyg(cases.rocksalt())
    theirs = {
        "positions": tensors["pos"],
        "atomic_numbers": tensors["z"].float(),
        "pbc": torch.ones(3).bool(),
    }
    theirs |= {"cell": tensors["cell"].reshape(3, 3), "energy": torch.tensor(-1.5)}
    found = structures_from_pyg(theirs)
    assert found.formulas() == ["MgO"]
    assert torch.equal(found.cell, cases.rocksalt().cell)
    assert found.labels["energy"].tolist() == [-1.5]
    two = Structures.concatenate([cases.rocksalt(), cases.fcc()])
    stacked = structures_to_pyg(two) | {"cell": two.cell.reshape(6, 3)}
    del stacked["batch"]
    assert torch.equal(structures_from_pyg(stacked).cell, two.cell)
    assert torch.equal(structures_from_pyg(stacked).structure, two.structure)


def test_what_is_missing_is_named():
    with pytest.raises(KeyError, match="none of pos, positions"):
        structures_from_pyg({"z": torch.ones(2)})
    tensors = graph_to_pyg(neighbour_graph(cases.rocksalt(), 3.0))
    with pytest.raises(KeyError, match="periodic structures need the edges' shifts"):
        graph_from_pyg({k: v for k, v in tensors.items() if k != "edge_shift"}, 3.0)
    with pytest.raises(ValueError, match="'forces' has shape"):
        structures_from_pyg(tensors | {"forces": torch.ones(5, 3)})


def test_molecules_need_no_shifts():
    graph = neighbour_graph(cases.water(), 2.0)
    tensors = graph_to_pyg(graph)
    del tensors["edge_shift"], tensors["cell"], tensors["pbc"]
    assert torch.equal(graph_from_pyg(tensors, 2.0).neighbour, graph.neighbour)
