"""Layers: labels of blocks, equivariance of mixing and gating, species from the periodic table."""

from hashlib import sha256
from importlib import resources

import pytest
import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.structures import Structures
from atomscape.find import find
from atomscape.nn.embedding import Embedding
from atomscape.nn.gate import Gate
from atomscape.nn.layout import Layout
from atomscape.nn.linear import SelfInteraction
from atomscape.nn.species import SpeciesEmbedding, element_descriptors
from atomscape.o3.rotation import random_rotation
from atomscape.o3.wigner import wigner_D

LAYOUTS = [Layout(2), Layout(1, "both"), Layout(2, "so3")]


def features(layout, channels=4):
    g = torch.Generator().manual_seed(0)
    return torch.randn(5, layout.lm, channels, dtype=torch.float64, generator=g)


def rotated(layout, x, R):
    return torch.cat(
        [
            torch.einsum("mn,anc->amc", wigner_D(l, R), b)
            for l, b in zip(layout.degrees, layout.split(x), strict=True)
        ],
        1,
    )


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_self_interaction_and_gate_are_equivariant(layout):
    torch.manual_seed(0)
    R = random_rotation(1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)[0]
    x = features(layout)
    for layer in (SelfInteraction(layout, 4, 4, bias=True).double(), Gate(layout, 4).double()):
        torch.testing.assert_close(layer(rotated(layout, x, R)), rotated(layout, layer(x), R))
        assert layer(x).abs().amax((0, 2)).min() > 1e-3, "every component takes part"


def test_gate_under_inversion_with_both_parities():
    torch.manual_seed(0)
    layout = Layout(1, "both")
    gate, x = Gate(layout, 4).double(), features(layout)
    sign = torch.cat([torch.full((2 * l + 1,), float(p)) for l, p in layout.keys]).view(1, -1, 1)
    torch.testing.assert_close(gate(sign * x), sign * gate(x))


def test_labels_of_blocks():
    assert Layout(2).keys == ((0, 1), (1, -1), (2, 1))
    assert Layout(1, "both").keys == ((0, 1), (1, -1), (0, -1), (1, 1))
    assert Layout(1, "so3").keys == ((0, 0), (1, 0))
    e = Layout(1, "both").embedding(features(Layout(1, "both")), "layer 1")
    assert str(e.irreps) == "4x0e+4x1o+4x0o+4x1e"
    assert e.degree(1, parity=1).shape == (5, 3, 4)
    with pytest.raises(KeyError, match="2 blocks fit"):
        e.degree(1)


def test_odd_scalars_enter_the_invariants_squared():
    e = Layout(1, "both").embedding(features(Layout(1, "both")), "layer 1")
    flipped = Embedding({k: v * k[1] for k, v in e.blocks.items()})  # only parities −1 change sign
    torch.testing.assert_close(flipped.invariants(), e.invariants())


def test_neighbours_in_the_periodic_table_are_close():
    d = element_descriptors()
    distance = torch.cdist(d, d)
    assert d.shape[0] == 119
    assert not d[0].any()
    assert distance[11, 19] < distance[11, 17], "Na is nearer to K than to Cl"
    assert distance[57, 58] < distance[57, 79], "La is nearer to Ce than to Au"
    assert torch.isfinite(d).all()


def test_species_tell_elements_apart():
    torch.manual_seed(0)
    x = SpeciesEmbedding(8)(torch.arange(1, 119))
    assert torch.cdist(x, x).add(torch.eye(118) * 9).min() > 0.1


@pytest.mark.parametrize("name", ["tfn", "schnet"])
def test_a_graph_that_ends_before_the_encoder_does_is_refused(name):
    module = find("encoders", name)
    encoder = module.build(module.Config(channels=2, layers=1, cutoff=3.0))
    pair = Structures.of([[0.0, 0, 0], [1.0, 0, 0]], [1, 8])
    with pytest.raises(ValueError, match=r"up to 2\.5 Å, the encoder needs them up to 3\.0"):
        encoder(neighbour_graph(pair, 2.5))
    wide, exact = encoder(neighbour_graph(pair, 4.0)), encoder(neighbour_graph(pair, 3.0))
    torch.testing.assert_close(wide.scalars, exact.scalars)


def test_the_element_table_is_the_one_that_models_were_trained_with():
    """Saved models hold weights, not this table: a change of it needs a new version of the format."""
    table = resources.files("atomscape.nn").joinpath("elements.csv").read_bytes()
    assert sha256(table).hexdigest() == "b0be3875fd051fb42fc51b42e64ca9d689f1de5c85c98d7aea767cf59247e430"
