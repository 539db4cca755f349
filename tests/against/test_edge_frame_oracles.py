"""Convolutions in edge frames against the tensor product with Clebsch–Gordan coefficients."""

from __future__ import annotations

import pytest
import torch

from atomscape.nn.edge_frames import edge_frames, into_frames, out_of_frames
from atomscape.nn.so2 import OrderMaps
from atomscape.o3.clebsch_gordan import clebsch_gordan
from atomscape.ops.convolution import Coupling, convolution
from atomscape.ops.harmonics import spherical_harmonics
from atomscape.ops.segment import segment_sum

CHANNELS, ATOMS, EDGES = 2, 4, 9


def maps_of(coupling: Coupling, w: torch.Tensor) -> OrderMaps:
    """What weights of paths are order by order: Σ_l2 w √(2 l2 + 1) C(l1 m, l2 0; l3 m) / √paths."""
    L = coupling.l_in
    maps = OrderMaps(L, L, L, CHANNELS).double()
    with torch.no_grad():
        for m, W in enumerate(maps.weights):
            blocks = W.zero_().view(L + 1 - m, CHANNELS, L + 1 - m, CHANNELS)
            for n, p in enumerate(coupling.paths):
                if m > min(p.l1, p.l3):
                    continue
                paths = sum(q.l3 == p.l3 for q in coupling.paths)
                c = clebsch_gordan(p.l1, p.l2, p.l3)[p.l1 + m, p.l2, p.l3 + m]
                c = float(c) * ((2 * p.l2 + 1) / paths) ** 0.5
                blocks[p.l1 - m, :, p.l3 - m] += torch.diag(c * w[n])
    return maps


@pytest.mark.parametrize("l_max", [0, 1, 4])
def test_with_all_orders_it_is_the_tensor_product(l_max):
    g = torch.Generator().manual_seed(l_max)
    draw = {"generator": g, "dtype": torch.float64}
    coupling = Coupling(l_max, 2 * l_max if l_max < 4 else 6, l_max)
    w = torch.randn(len(coupling.paths), CHANNELS, **draw)
    x = torch.randn(ATOMS, coupling.lm_in, CHANNELS, **draw)
    vectors = torch.randn(EDGES, 3, **draw)
    vectors[:3] = 1.7 * torch.eye(3, dtype=torch.float64)
    vectors[3:6] = -vectors[:3]
    centre, neighbour = torch.randint(ATOMS, (2, EDGES), generator=g)
    D = edge_frames(vectors, l_max)
    orders = into_frames(x[neighbour], D, l_max, l_max)
    with torch.no_grad():
        said, _ = maps_of(coupling, w)(orders)
    found = segment_sum(out_of_frames(said, D, l_max, l_max), centre, ATOMS)
    Y = spherical_harmonics(vectors, coupling.l_edge)
    expected = convolution(x, Y, w.expand(EDGES, *w.shape), centre, neighbour, coupling)
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12)
