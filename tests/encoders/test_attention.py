"""attention against its equations, and what sets it apart: it is not equivariant, and can learn to be."""

from __future__ import annotations

import pytest
import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.encoders import attention
from atomscape.ops.radial import polynomial_cutoff, radial_basis
from atomscape.testing import cases

CUTOFF = 3.4
SETTINGS = {"channels": 6, "layers": 2, "cutoff": CUTOFF, "n_radial": 5, "attention_heads": 2}


@pytest.fixture(scope="module")
def encoder():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return attention.build(attention.Config(**SETTINGS, head_channels=4)).double()


def as_written(layer, h, x):
    """One layer, atom by atom: softmax over the neighbours and a place with nothing, f before each."""
    silu, out = torch.nn.functional.silu, []
    n = layer.before(h)
    for i in range(len(h)):
        queries = layer.query(n[i]).view(layer.shape)
        top, total = torch.zeros(layer.shape, dtype=torch.float64), torch.ones(layer.shape[0], 1).double()
        for j in range(len(h)):
            d = x[j] - x[i]
            r = d.norm().view(1)
            if i == j or r >= CUTOFF:
                continue
            direction = torch.cat([torch.ones(1), 3**0.5 * (d / r)[[1, 2, 0]]])
            g = torch.outer(radial_basis(r, CUTOFF, 5)[0], direction).flatten()
            z = layer.edge.weight @ g + layer.centre(n[i]) + layer.neighbour(n[j])
            keys, values = layer.key_and_value(silu(layer.token(silu(z)))).view(2, *layer.shape)
            weight = polynomial_cutoff(r, CUTOFF) * ((queries * keys).sum(1, keepdim=True) / 2).exp()
            top, total = top + weight * values, total + weight
        out.append(h[i] + layer.out((top / total).flatten()))
    h = torch.stack(out)
    return h + layer.alone(layer.between(h))


def test_equations(encoder):
    s = cases.ethanol()
    with torch.no_grad():
        h = encoder.species(s.numbers)
        for layer in encoder.layers:
            h = as_written(layer, h, s.positions)
        found = encoder(neighbour_graph(s, CUTOFF)).scalars
    torch.testing.assert_close(found, h, rtol=1e-11, atol=1e-12)


def test_large_scores_do_not_overflow_and_faded_ones_do_not_count():
    scores = torch.tensor([[800.0], [799.0], [5000.0], [-900.0]], dtype=torch.float64, requires_grad=True)
    fade = torch.tensor([[1.0], [1.0], [0.0], [1.0]], dtype=torch.float64)
    centre = torch.tensor([0, 0, 0, 1])
    found = attention.fading_softmax(scores, fade, centre, 3)
    e = torch.e
    expected = torch.tensor([[e / (1 + e)], [1 / (1 + e)], [0.0], [0.0]], dtype=torch.float64)
    torch.testing.assert_close(found, expected)
    (slope,) = torch.autograd.grad(found[0].sum(), scores)
    assert slope.isfinite().all()
    torch.testing.assert_close(slope[:2].flatten(), torch.tensor([1.0, -1.0]).double() * e / (1 + e) ** 2)


def test_it_says_that_it_is_not_equivariant(encoder):
    assert encoder.equivariant is False
    assert not encoder.irreps.l_max
