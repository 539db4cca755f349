"""painn against eq. 7–10 as they stand in the paper, atom by atom."""

from __future__ import annotations

import pytest
import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.encoders import painn
from atomscape.nn.radial import with_radial_tables
from atomscape.ops.radial import radial_basis
from atomscape.testing import cases

CUTOFF, NEIGHBOURS, CHANNELS, RADIAL = 3.4, 3.0, 6, 5


@pytest.fixture(scope="module")
def encoder():
    settings = {"channels": CHANNELS, "layers": 3, "cutoff": CUTOFF, "n_radial": RADIAL}
    with torch.random.fork_rng():
        torch.manual_seed(3)
        made = painn.build(painn.Config(**settings, average_neighbours=NEIGHBOURS)).double()
        with torch.no_grad():
            for p in made.parameters():
                p.mul_(1.3).add_(0.1 * torch.randn_like(p))
    return made


def messages_as_published(layer, s, v, unit, r):
    """Eq. 7 and 8; the vectors of edges are unit vectors times √3, the normalisation of our harmonics."""
    near = (r < CUTOFF) & ~torch.eye(len(s), dtype=torch.bool)
    basis = radial_basis(r.flatten(), CUTOFF, RADIAL).unflatten(0, r.shape) / NEIGHBOURS
    phi = layer.out(torch.nn.functional.silu(layer.hidden(s))).split(CHANNELS, 1)
    W_s, *W_vv = (basis @ layer.carry_filter.out.weight.T).split(CHANNELS, -1)
    W_vs = basis @ layer.point_filter.out.weight.T
    ds, dv = torch.zeros_like(s), torch.zeros_like(v)
    for i, j in near.nonzero().tolist():
        ds[i] += phi[0][j] * W_s[i, j]
        dv[i] += (phi[1][j] * W_vs[i, j]) * 3**0.5 * unit[i, j].unsqueeze(1)
        for W in W_vv:
            dv[i] += v[j] * phi[2][j] * W[i, j]
    return s + ds, v + dv


def update_as_published(layer, s, v):
    """Eq. 9 and 10, with the soft length written another way."""
    U, V = (v @ w.T for w in layer.vectors.weight.split(CHANNELS))
    length = (1 + V.square().sum(1)).sqrt() - 1
    a = layer.out(torch.nn.functional.silu(layer.hidden(torch.cat([s, length], 1)))).split(CHANNELS, 1)
    return s + a[0] + a[1] * (U * V).sum(1), v + a[2].unsqueeze(1) * U


def test_equations_of_the_paper(encoder):
    molecule = cases.ethanol()
    x = molecule.positions
    with torch.no_grad():
        s = encoder.species(molecule.numbers)
        v = torch.zeros(len(s), 3, CHANNELS, dtype=torch.float64)
        between = x.unsqueeze(0) - x.unsqueeze(1)
        r = between.norm(dim=2)
        unit = between / (r + torch.eye(len(s), dtype=torch.float64)).unsqueeze(2)
        for message, update in zip(encoder.messages, encoder.updates, strict=True):
            s, v = update_as_published(update, *messages_as_published(message, s, v, unit, r))
        found = encoder(neighbour_graph(molecule, CUTOFF))
    assert v.abs().max() > 0.1
    torch.testing.assert_close(found.scalars, s, rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(found.degree(1)[:, [2, 0, 1]], v, rtol=1e-11, atol=1e-12)


def test_soft_length_is_the_length_of_what_is_long():
    v = torch.tensor([0.0, 1e-9, 1e-3, 1.0, 1e3], dtype=torch.float64).view(-1, 1, 1) * torch.ones(1, 3, 1)
    x = v.square().sum(1)
    found = painn.soft_length(v).flatten()
    torch.testing.assert_close(found[:3], x.flatten()[:3] / 2, rtol=1e-6, atol=0.0)
    torch.testing.assert_close(found[-1:], x[-1].sqrt(), rtol=1e-3, atol=0.0)


def test_tables_serve_for_its_filters(encoder):
    graph = neighbour_graph(cases.rattled_rocksalt(), CUTOFF)
    tabulated = with_radial_tables(encoder, CUTOFF)
    with torch.no_grad():
        exact, fast = encoder(graph).invariants(), tabulated(graph).invariants()
    torch.testing.assert_close(fast, exact, rtol=0, atol=1e-5 * float(exact.abs().max()))
