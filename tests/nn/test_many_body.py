"""The many-body layer: symmetry, elements, and what it can tell apart that pairs cannot."""

import pytest
import torch

from atomscape.nn.layout import Layout
from atomscape.nn.many_body import ManyBodyProduct
from atomscape.o3.harmonics import spherical_harmonics
from atomscape.o3.rotation import random_rotation
from atomscape.o3.wigner import wigner_D

LAYOUTS = [Layout(2), Layout(1, "both"), Layout(2, "so3")]
NUMBERS = torch.tensor([1, 8, 8, 26, 1])


def features(layout, channels=4):
    return torch.randn(
        5, layout.lm, channels, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )


def rotated(layout, x, R):
    blocks = zip(layout.degrees, layout.split(x), strict=True)
    return torch.cat([torch.einsum("mn,anc->amc", wigner_D(l, R), b) for l, b in blocks], 1)


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("l_out", [None, 0, 1])
def test_equivariant_and_alive(layout, l_out):
    torch.manual_seed(0)
    layer, x = ManyBodyProduct(layout, 4, 3, l_out).double(), features(layout)
    R = random_rotation(1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)[0]
    out = layer(x, NUMBERS)
    torch.testing.assert_close(layer(rotated(layout, x, R), NUMBERS), rotated(layer.layout_out, out, R))
    assert out.abs().amax((0, 2)).min() > 1e-3, "every component takes part"
    assert layer.layout_out.l_max == (layout.l_max if l_out is None else l_out)


def test_like_elements_start_close():
    torch.manual_seed(0)
    weight = ManyBodyProduct(Layout(2), 16, 3).weight.flatten(1)
    assert 0.5 < weight[1:].square().mean() < 2
    assert torch.dist(weight[11], weight[19]) < torch.dist(weight[11], weight[17]), (
        "Na is nearer to K than to Cl"
    )


def test_only_elements_present_are_taught():
    torch.manual_seed(0)
    layout = Layout(1)
    layer = ManyBodyProduct(layout, 4, 2).double()
    layer(features(layout), NUMBERS).square().sum().backward()
    taught = layer.weight.grad.abs().sum((1, 2)).nonzero().flatten()
    assert taught.tolist() == [1, 8, 26]


def test_three_factors_see_the_angles_that_two_do_not():
    """Two neighbourhoods with the same set of angles between pairs, told apart only by triples.

    Four unit vectors each; their pairwise dot products are equal as multisets, their triples are not (the
    counterexample of Pozdnyakov et al. 2020, Phys. Rev. Lett. 125, 166001, on a circle: gaps of homometric
    necklaces).
    """
    torch.manual_seed(0)
    l_max = 3

    def density(places):
        angle = 2 * torch.pi * torch.tensor(places, dtype=torch.float64) / 8
        points = torch.stack([angle.cos(), angle.sin(), 0 * angle], -1)
        return spherical_harmonics(points, l_max).sum(0).view(1, -1, 1).expand(1, -1, 8)

    one, other = density([0, 1, 3, 4]), density([0, 1, 2, 5])
    difference = {}
    for correlation in (2, 3):
        layer = ManyBodyProduct(Layout(l_max), 8, correlation, 0).double()
        a, b = (layer(x, NUMBERS[:1]) for x in (one, other))
        difference[correlation] = (a - b).abs().max().item()
    assert difference[2] < 1e-12
    assert difference[3] > 1e-3
