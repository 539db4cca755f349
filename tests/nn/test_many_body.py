"""The many-body layer: symmetry, elements, and what it can tell apart that pairs cannot."""

import pytest
import torch

from atomscape.nn.element_weights import ElementInteraction
from atomscape.nn.kinds import kinds_of
from atomscape.nn.layout import Layout
from atomscape.nn.many_body import ManyBodyProduct
from atomscape.o3.harmonics import spherical_harmonics
from atomscape.o3.rotation import random_rotation
from atomscape.o3.wigner import wigner_D

LAYOUTS = [Layout(2), Layout(1, "both"), Layout(2, "so3")]
NUMBERS = torch.tensor([1, 8, 8, 26, 1])
KINDS = kinds_of(NUMBERS)


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
    out = layer(x, KINDS)
    torch.testing.assert_close(layer(rotated(layout, x, R), KINDS), rotated(layer.layout_out, out, R))
    assert out.abs().amax((0, 2)).min() > 1e-3, "every component takes part"
    assert layer.layout_out.l_max == (layout.l_max if l_out is None else l_out)


def test_weights_of_elements_start_from_the_periodic_table():
    torch.manual_seed(0)
    weights = ManyBodyProduct(Layout(2), 16, 3, numbers=256).weights
    weight = weights(kinds_of(torch.arange(1, 119))).flatten(1)
    assert 0.5 < weight.square().mean() < 2
    assert torch.dist(weight[10], weight[18]) < torch.dist(weight[10], weight[16]), (
        "Na is nearer to K than to Cl"
    )
    assert torch.linalg.matrix_rank(weight[:16]) == 16, "every element its own"


def test_kinds_come_and_go():
    x = torch.arange(5.0).unsqueeze(1)
    parts = KINDS.apart(x)
    assert [part.flatten().tolist() for part in parts] == [[0, 4], [1, 2], [3]]
    assert torch.equal(KINDS.together(list(parts)), x)
    assert torch.equal(KINDS.numbers[KINDS.index], NUMBERS)


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_element_interaction_is_a_matrix_of_the_element(layout):
    torch.manual_seed(0)
    layer, x = ElementInteraction(layout, 4, 3, 8).double(), features(layout)
    out, weights = layer(x, KINDS), layer.weights(KINDS) * 0.5
    for atom, kind in enumerate(KINDS.index.tolist()):
        rows = zip(layout.split(x[atom : atom + 1]), weights[kind], strict=True)
        torch.testing.assert_close(out[atom], torch.cat([(b @ w)[0] for b, w in rows]))
    assert layer(x[:0], kinds_of(NUMBERS[:0])).shape == (0, layout.lm, 3)


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
        a, b = (layer(x, kinds_of(NUMBERS[:1])) for x in (one, other))
        difference[correlation] = (a - b).abs().max().item()
    assert difference[2] < 1e-12
    assert difference[3] > 1e-3
