"""egnn against eq. 3–6 as they stand in the paper, and the variants that the laws do not build."""

from __future__ import annotations

import pytest
import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.encoders import egnn
from atomscape.ops.radial import polynomial_cutoff
from atomscape.testing import cases, laws

CUTOFF, NEIGHBOURS = 3.4, 3.0


def _encoder(**options) -> egnn.EquivariantGraphNetwork:
    settings = {"channels": 6, "layers": 3, "cutoff": CUTOFF, "average_neighbours": NEIGHBOURS} | options
    with torch.random.fork_rng():
        torch.manual_seed(3)
        encoder = egnn.build(egnn.Config(**settings)).double()
        with torch.no_grad():
            for p in encoder.parameters():
                p.mul_(1.4).add_(0.1 * torch.randn_like(p))
    return encoder


def as_published(encoder, numbers, positions):
    """Eq. 3–6 with one copy of the positions, atom by atom: the atoms themselves move."""
    h, x = encoder.species(numbers), positions.clone()
    r = torch.cdist(positions, positions)
    f = polynomial_cutoff(r.flatten(), CUTOFF).view_as(r) / NEIGHBOURS
    silu = torch.nn.functional.silu
    for layer in encoder.layers:
        phi_h, moved = torch.zeros_like(h), x.clone()
        for i in range(len(h)):
            m_i = torch.zeros_like(h[i])
            for j in range(len(h)):
                if i == j or r[i, j] >= CUTOFF:
                    continue
                square = (x[i] - x[j]).square().sum().reshape(1) / CUTOFF**2
                first = torch.cat([layer.message_centre.weight, layer.message_neighbour.weight], 1)
                first = torch.cat([first, layer.message_distance.weight], 1)
                z = first @ torch.cat([h[i], h[j], square]) + layer.message_centre.bias
                m = silu(layer.message(silu(z)))
                factor = layer.mix(layer.move(silu(layer.move_hidden(m))))
                moved[i] = moved[i] + f[i, j] * factor * (x[j] - x[i])
                m_i = m_i + f[i, j] * m
            both = torch.cat([layer.update_atom.weight, layer.update_message.weight], 1)
            phi_h[i] = layer.update(silu(both @ torch.cat([h[i], m_i]) + layer.update_atom.bias))
        h, x = h + phi_h, moved
    return h, x - positions


def test_equations_of_the_paper():
    encoder, s = _encoder(coordinates=1, n_radial=0), cases.ethanol()
    with torch.no_grad():
        h, moved = as_published(encoder, s.numbers, s.positions)
        embedding = encoder(neighbour_graph(s, CUTOFF))
    assert moved.abs().max() > 0.05
    torch.testing.assert_close(embedding.scalars, h, rtol=1e-11, atol=1e-12)
    vectors = moved[:, [1, 2, 0]].unsqueeze(2) * encoder.vectors.weight.squeeze(1)
    torch.testing.assert_close(embedding.degree(1), vectors, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("case", ["rattled_rocksalt", "mixed_batch", "empty"])
@pytest.mark.parametrize(
    "options",
    [{"update_positions": False}, {"n_radial": 0, "coordinates": 1, "update_channels": 9}],
    ids=["still", "plain"],
)
def test_laws_of_the_variants(options, case):
    encoder, s = _encoder(**options), cases.everything[case]()
    laws.check_reflection(encoder, s, case=case)
    laws.check_finite_difference(encoder, s, case=case)
    if case != "empty":
        laws.check_lattice_translation(encoder, s, case=case)
        laws.check_batch_alone(encoder, s, case=case)


def test_content():
    still = _encoder(update_positions=False)
    assert str(still.irreps) == "6x0e"
    assert str(_encoder().irreps) == "6x0e+6x1o"
    assert not any("move" in name or "vectors" in name for name, _ in still.named_parameters())
    laws.check_layers(still, cases.mixed_batch())
    laws.check_cutoff_continuity(still)


def test_copies_of_the_positions_part():
    """More than one direction per atom: the vectors of an atom span a plane at least."""
    s = cases.ethanol()
    with torch.no_grad():
        vectors = _encoder()(neighbour_graph(s, CUTOFF)).degree(1)
        single = _encoder(coordinates=1)(neighbour_graph(s, CUTOFF)).degree(1)
    share = torch.linalg.svdvals(vectors[0])
    assert share[1] > 1e-3 * share[0]
    assert torch.linalg.svdvals(single[0])[1] < 1e-12
