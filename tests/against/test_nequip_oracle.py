"""A layer of nequip against one of e3nn: linear layers, tensor products and gate with the same weights."""

from __future__ import annotations

import warnings

import pytest
import torch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from e3nn import nn as e3nn_nn
    from e3nn import o3

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.encoders import nequip
from atomscape.nn.edges import edges
from atomscape.nn.kinds import kinds_of
from atomscape.nn.layout import Layout
from atomscape.testing import cases

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning", "ignore::FutureWarning")

C, CUTOFF, NEIGHBOURS = 3, 4.0, 5.0


@pytest.fixture(autouse=True)
def _double():
    """e3nn makes its constants in the default dtype."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def irreps_of(layout: Layout, channels: int = C) -> o3.Irreps:
    return o3.Irreps([(channels, key) for key in layout.keys])


def theirs(x, layout: Layout):
    """Features in e3nn's order, channels before orders. Its names of the axes differ, its numbers do not."""
    return torch.cat([b.transpose(1, 2).flatten(1) for b in layout.split(x)], 1)


def linear(weights, irreps_in, irreps_out):
    made = o3.Linear(irreps_in, irreps_out)
    made.weight.data = torch.cat([w.flatten() for w in weights]) * C**0.5
    return made


def self_connection(interaction, kinds, irreps_in, irreps_out):
    """Features ⊗ one-hot of the element; weights [channels, elements, channels] for each degree."""
    weights = interaction.weights(kinds) * interaction.scale
    made = o3.FullyConnectedTensorProduct(irreps_in, f"{len(weights)}x0e", irreps_out)
    made.weight.data = torch.cat([w.transpose(0, 1).flatten() for w in weights.unbind(1)])
    made.weight.data *= (C * len(weights)) ** 0.5
    return made


def messages(layer, h, e):
    before = linear(layer.before.weight, irreps_of(layer.incoming), irreps_of(layer.incoming))
    degrees_in, degrees_out = layer.incoming.l_max + 1, layer.layout.l_max + 1
    coupled = o3.TensorProduct(
        irreps_of(layer.incoming),
        o3.Irreps.spherical_harmonics(layer.coupling.l_edge),
        irreps_of(layer.layout),
        [
            (p.run_in * degrees_in + p.l1, p.l2, p.run_out * degrees_out + p.l3, "uvu", True)
            for p in layer.coupling.paths
        ],
        irrep_normalization="component",
        path_normalization="element",
        shared_weights=False,
        internal_weights=False,
    )
    radial = layer.radial(e)
    each = coupled(
        before(theirs(h, layer.incoming))[e.neighbour], e.harmonics, radial.h @ radial.W.flatten(1)
    )
    return h.new_zeros(len(h), each.shape[1]).index_add(0, e.centre, each) / NEIGHBOURS


def as_published(layer, h, e, kinds):
    """The layer's result, and the order of its blocks: scalars first, as e3nn's gate returns them."""
    x, m = theirs(h, layer.incoming), messages(layer, h, e)
    one_hot = torch.nn.functional.one_hot(kinds.index).double()
    full, gated = irreps_of(layer.layout), [i for i, l in enumerate(layer.layout.degrees) if l]
    after = linear(layer.after.weight, full, full)
    u = after(m) + self_connection(layer.connection, kinds, irreps_of(layer.incoming), full)(x, one_hot)
    count = f"{len(gated) * C}x0e"
    gates = linear(layer.gates.weight, f"{C}x0e", count)(m[:, :C])
    gates = gates + self_connection(layer.gate_connection, kinds, f"{C}x0e", count)(x[:, :C], one_hot)
    scalars = [i for i, l in enumerate(layer.layout.degrees) if not l]
    parts = [u[:, s] for s in full.slices()]
    # e3nn's gate takes irreps as they are sorted, odd before even.
    entering = [*(parts[i] for i in scalars[::-1]), gates, *(parts[i] for i in gated)]
    order = [full[i] for i in scalars]
    functions = {1: torch.nn.functional.silu, -1: torch.tanh}
    gate = e3nn_nn.Gate(
        o3.Irreps(order),
        [functions[block.ir.p] for block in order],
        o3.Irreps(count),
        [torch.nn.functional.silu],
        o3.Irreps([full[i] for i in gated]),
    )
    return gate(torch.cat(entering, 1) * 0.5**0.5), scalars + gated


@pytest.mark.parametrize(("parity", "l_max", "l_out"), [("natural", 2, 1), ("both", 1, 1)])
def test_a_layer_is_e3nns(parity, l_max, l_out):
    torch.manual_seed(0)
    config = nequip.Config(
        l_max=l_max, channels=C, parity=parity, cutoff=CUTOFF, average_neighbours=NEIGHBOURS
    )
    layer = nequip.Layer(config, Layout(l_max, parity), l_out).double()
    s = cases.ethanol()
    e = edges(neighbour_graph(s, CUTOFF), CUTOFF, l_max, config.n_radial, torch.float64)
    kinds, h = kinds_of(s.numbers), torch.randn(s.n_atoms, layer.incoming.lm, C)
    with torch.no_grad():
        found = layer(h, e, kinds)
        expected, order = as_published(layer, h, e, kinds)
    blocks = [b.transpose(1, 2).flatten(1) for b in layer.layout.split(found)]
    blocks = torch.cat([blocks[i] for i in order], 1)
    # e3nn draws random numbers to find the constants of its activations: to three digits.
    torch.testing.assert_close(blocks, expected, rtol=5e-3, atol=1e-3)
