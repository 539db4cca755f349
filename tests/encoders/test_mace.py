"""mace: what its equations say beyond symmetry: body order, what reaches whom, what the embedding holds."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.properties import PROPERTIES
from atomscape.encoders import mace, nequip
from atomscape.heads import tensor
from atomscape.nn.radial import with_radial_tables
from atomscape.testing import cases, laws

CUTOFF = 4.0
AROUND = torch.tensor(
    [[1.1, 0.3, -0.2], [-0.7, 1.0, 0.5], [0.2, -1.2, 0.9], [-0.4, 0.1, -1.3]], dtype=torch.float64
)
ELEMENTS = (8, 6, 1, 7)


def _encoder(**options) -> mace.MACE:
    settings = {"channels": 4, "layers": 2, "cutoff": CUTOFF, "l_max": 2, "radial_hidden": 6}
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return mace.build(mace.Config(**settings | {"average_neighbours": 4.0} | options)).double()


def mixed_difference(encoder, order: int) -> float:
    """Σ over subsets of ``order`` neighbours of (−1)^(those left out) × scalars of the atom in the middle.

    It is the part of them that needs all of the neighbours at once, relative to the scalars.
    """
    total, largest = 0.0, 0.0
    for size in range(order + 1):
        for chosen in combinations(range(order), size):
            numbers = [14, *(ELEMENTS[i] for i in chosen)]
            s = cases.molecule(numbers, torch.cat([torch.zeros(1, 3).double(), AROUND[list(chosen)]]))
            with torch.no_grad():
                scalars = encoder(neighbour_graph(s, CUTOFF)).scalars[0]
            total = total + (-1) ** (order - size) * scalars
            largest = max(largest, float(scalars.abs().max()))
    return float(total.abs().max()) / largest


@pytest.mark.parametrize("correlation", [1, 2, 3])
def test_a_layer_of_correlation_v_sees_clusters_of_v_neighbours(correlation):
    """A sum of (ν + 1)-body terms has no part that needs ν + 1 neighbours, and has one that needs ν."""
    encoder = _encoder(layers=1, correlation=correlation)
    assert mixed_difference(encoder, correlation) > 1e-4
    assert mixed_difference(encoder, correlation + 1) < 1e-13


def test_a_second_layer_sees_larger_clusters():
    assert mixed_difference(_encoder(layers=2, correlation=1, l_hidden=0), 2) > 1e-5
    assert mixed_difference(_encoder(layers=2, correlation=2, l_hidden=0), 4) > 1e-6


def test_an_atom_alone_is_its_element():
    """Products of nothing vanish: what is left is what the elements' matrices make of the element."""
    encoder, s = _encoder(), cases.isolated_atom()
    with torch.no_grad():
        found = encoder(neighbour_graph(s, CUTOFF)).scalars[0]
        h, parts = encoder.species(s.numbers), []
        for layer in encoder.layers:
            weights = layer.skip.weights
            e = weights.elements(s.numbers)[0] * (0.75 / len(weights.weight)) ** 0.5
            h = h @ torch.einsum("k,kcd->cd", e, weights.weight[:, 0]) / 2
            parts.append(h[0])
    torch.testing.assert_close(found, torch.cat(parts))


def test_the_embedding_after_a_layer_is_that_of_a_shorter_network():
    s = cases.ethanol()
    encoder, short = _encoder(layers=2, l_hidden=1, l_out=1), _encoder(layers=1, l_out=1)
    short.load_state_dict({k: v for k, v in encoder.state_dict().items() if ".1." not in k})
    graph = neighbour_graph(s, CUTOFF)
    with torch.no_grad():
        inner, outer = encoder(graph, layers=True).layers[1], short(graph)
    for key, block in outer.blocks.items():
        torch.testing.assert_close(inner.blocks[key], block)
    assert str(encoder.irreps) == "8x0e+4x1o"
    assert str(short.irreps) == "4x0e+4x1o"


def test_degrees_that_nothing_reads_are_not_made():
    assert [layer.coupling.l_out for layer in _encoder(correlation=1, l_hidden=1).layers] == [1, 0]
    first, last = _encoder(l_max=3, l_hidden=2).layers
    assert (first.coupling.l_in, first.layout.l_max) == (0, 2)
    assert (last.coupling.l_in, last.coupling.l_out, last.layout.l_max) == (2, 3, 0)


@pytest.mark.parametrize(
    "options",
    [
        {"l_max": 1, "l_hidden": 2, "l_out": 2, "correlation": 2},
        {"l_max": 1, "l_hidden": 0, "l_out": 1, "correlation": 4, "radial_layers": 2},
    ],
    ids=["degrees above the filters'", "four factors"],
)
def test_laws_of_the_variants(options):
    encoder, s = _encoder(average_neighbours=20.0, **options), cases.ethanol()
    laws.check_reflection(encoder, s)
    laws.check_finite_difference(encoder, s)
    laws.check_alive(encoder, s)
    laws.check_layers(encoder, s)


def test_radial_networks_of_several_layers_are_tabulated():
    encoder, graph = _encoder(radial_layers=2), neighbour_graph(cases.ethanol(), CUTOFF)
    tabulated = with_radial_tables(encoder, CUTOFF, 2048)
    with torch.no_grad():
        exact, table = encoder(graph), tabulated(graph)
    torch.testing.assert_close(table.scalars, exact.scalars, rtol=1e-7, atol=1e-8)


def test_tensor_heads_read_the_degrees_that_are_asked_for():
    s = cases.ethanol()
    dipole = (PROPERTIES["dipole"],)
    for module in (mace, nequip):
        options = {"channels": 4, "layers": 2, "cutoff": CUTOFF, "l_max": 1}
        encoder = module.build(module.Config(**options, l_out=1))
        head = tensor.build(tensor.Config(), encoder.irreps, dipole)
        graph = neighbour_graph(s, CUTOFF)
        predicted = head(encoder(graph), graph)["dipole"]
        assert predicted.shape == (1, 3)
        assert predicted.abs().min() > 0
        with pytest.raises(ValueError, match="1o"):
            tensor.build(tensor.Config(), module.build(module.Config(**options)).irreps, dipole)
