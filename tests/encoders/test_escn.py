"""Frames of edges: none is singular, none is preferred; and what is cut off is cut off."""

from __future__ import annotations

import pytest
import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.encoders import escn
from atomscape.nn.edge_frames import edge_rotations, into_frames, out_of_frames
from atomscape.o3.rotation import matrix_from_axis_angle
from atomscape.o3.wigner import wigner_D_all
from atomscape.testing import cases, laws

AXES = torch.cat([torch.eye(3), -torch.eye(3)]).double()


@pytest.fixture(scope="module")
def encoder():
    with torch.random.fork_rng():
        torch.manual_seed(5)
        settings = {"l_max": 3, "m_max": 1, "channels": 3, "layers": 2, "n_radial": 4, "radial_hidden": 4}
        return escn.build(escn.Config(**settings, cutoff=3.2)).double()


def test_edges_are_turned_to_the_z_axis():
    """Also those along an axis, between two of them, and a hair beside one."""
    edges = torch.cat([AXES, AXES + AXES.roll(1, 0), AXES + 1e-14, torch.ones(1, 3), 0 * AXES[:1]])
    R = edge_rotations(2.5 * edges)
    unit = torch.nn.functional.normalize(edges)
    unit[-1] = AXES[2]
    torch.testing.assert_close((R @ unit.unsqueeze(2)).squeeze(2), AXES[2].expand(len(R), 3))
    torch.testing.assert_close(R @ R.mT, torch.eye(3).double().expand(len(R), 3, 3))
    torch.testing.assert_close(torch.linalg.det(R), torch.ones(len(R)).double())


def test_which_way_x_points_does_not_matter(encoder):
    """Frames turned about their edges by any angle, or mirrored, give the same messages."""
    graph = neighbour_graph(cases.ethanol(), encoder.cutoff)
    e = escn.edges(graph, encoder.cutoff, 0, 4, torch.float64)
    R, g = edge_rotations(graph.vectors), torch.Generator().manual_seed(0)
    x = torch.randn(graph.n_atoms, 16, 3, generator=g, dtype=torch.float64)
    angle = 6 * torch.rand(len(R), generator=g, dtype=torch.float64)
    about = matrix_from_axis_angle(AXES[2].expand(len(R), 3), angle)
    mirror = torch.diag(torch.tensor([1.0, -1.0, 1.0])).double()
    with torch.no_grad():
        messages = [
            encoder.layers[1]._messages(x, escn.FramedEdges(e, wigner_D_all(3, turn @ R)))
            for turn in (torch.eye(3).double(), about, mirror @ about)
        ]
    assert messages[0].abs().max() > 1e-3
    for other in messages[1:]:
        torch.testing.assert_close(other, messages[0], rtol=0, atol=1e-13)


def test_edges_along_the_axes_have_all_derivatives(encoder):
    """A simple cubic crystal: six edges of each atom lie exactly along the axes."""
    cubic = cases.crystal([84], [[0.2, 0.1, 0.3]], 2.1 * torch.eye(3))
    laws.check_gradients(encoder, cubic)
    laws.check_finite_difference(encoder, cubic)
    laws.check_cubic_site(encoder, cubic)


def test_there_and_back():
    """With all orders nothing is lost; with fewer, what is left of degree l has rank 2 m_max + 1."""
    g = torch.Generator().manual_seed(0)
    D = wigner_D_all(3, edge_rotations(torch.randn(5, 3, generator=g, dtype=torch.float64)))
    x = torch.randn(5, 16, 4, generator=g, dtype=torch.float64)
    torch.testing.assert_close(out_of_frames(into_frames(x, D, 3, 3), D, 3, 3), x)
    unit = torch.eye(16, dtype=torch.float64).expand(5, 16, 16)
    P = out_of_frames(into_frames(unit, D, 3, 1), D, 3, 1)
    torch.testing.assert_close(P @ P, P)
    torch.testing.assert_close(P.diagonal(dim1=1, dim2=2).sum(1), torch.full((5,), 1 + 3 + 3 + 3.0).double())
