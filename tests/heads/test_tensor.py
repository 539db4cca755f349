"""Head of tensors: what it refuses, what is linear, what does not turn, and encoders without parity."""

from __future__ import annotations

import pytest
import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.properties import PROPERTIES, Property
from atomscape.encoders import tfn
from atomscape.heads import tensor
from atomscape.o3.irreps import Irreps
from atomscape.o3.rotation import random_rotation
from atomscape.testing import cases, head_laws
from atomscape.testing.compare import rotated, turned_value

NATURAL = Irreps("4x0e+4x1o+4x2e")


def head_for(prop, irreps=NATURAL, **config):
    torch.manual_seed(0)
    prop = PROPERTIES[prop] if isinstance(prop, str) else prop
    return tensor.build(tensor.Config(**config), irreps, (prop,)).double()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("elastic", "no 4e. Give the encoder l_max: 4$"),
        ("shielding", "no 1e. Give the encoder parity: both$"),
        ("piezoelectric", "no 2o, 3o. Give the encoder l_max: 3 and parity: both$"),
        ("hyperpolarizability", "no 3o. Give the encoder l_max: 3$"),
    ],
)
def test_a_missing_block_is_named_with_the_option_that_gives_it(name, message):
    with pytest.raises(ValueError, match=message):
        head_for(name)


@pytest.mark.parametrize("name", ["elastic", "shielding", "piezoelectric"])
def test_the_options_it_asks_for_suffice(name):
    encoder = tfn.build(tfn.Config(l_max=4, parity="both", channels=4, layers=1))
    assert head_for(name, encoder.irreps).provides == (PROPERTIES[name],)


@pytest.mark.parametrize("name", ["forces", "polarizability", "charges", "energy", "dielectric"])
def test_a_linear_head_is_linear_and_keeps_the_laws(name):
    p = PROPERTIES[name]
    irreps = Irreps([(3, ir) for _, ir in p.irreps])
    head = head_for(name, irreps, nonlinear=False)
    s = cases.mixed_batch()
    head_laws.check_head_rotation(head, irreps, s)
    head_laws.check_head_batch(head, irreps, s)
    head_laws.check_head_gradient(head, irreps, cases.water())
    e = head_laws.random_embedding(irreps, s.n_atoms)
    twice = type(e)({k: 2 * b for k, b in e.blocks.items()})
    one, two = (head_laws.predict(head, x, s)[name] for x in (e, twice))
    torch.testing.assert_close(two, 2 * one)


def test_what_does_not_turn_gets_references_and_shift():
    """Σ of the elements' isotropic parts if extensive, a shift if not; the number is the trace over √3."""
    s, unit = cases.water(), torch.eye(3, dtype=torch.float64) / 3**0.5
    e = head_laws.random_embedding(NATURAL, 3)
    for name, factor in (("polarizability", 2.0 + 1 + 1), ("dielectric", (2.0 + 1 + 1) / 3 + 5)):
        head = head_for(name)
        plain = head_laws.predict(head, e, s)[name]
        head.references[8], head.references[1] = 2.0, 1.0
        head.shift.fill_(5.0)
        torch.testing.assert_close(head_laws.predict(head, e, s)[name] - plain, factor * unit[None])


def test_predictions_have_the_index_symmetry():
    e, s = head_laws.random_embedding(NATURAL, 3), cases.water()
    value = head_laws.predict(head_for("polarizability"), e, s)["polarizability"]
    assert torch.equal(value, value.mT)


@pytest.mark.parametrize("parity", ["natural", "both", "so3"])
def test_on_an_encoder_it_turns_with_the_structure(parity):
    torch.manual_seed(1)
    encoder = tfn.build(tfn.Config(channels=6, layers=2, parity=parity, average_neighbours=4.0)).double()
    R = random_rotation(1, generator=torch.Generator().manual_seed(0))[0]
    names = ["dipole", "polarizability"] + (["shielding"] if parity != "natural" else [])
    for name in names:
        head, p = head_for(name, encoder.irreps), PROPERTIES[name]
        with torch.no_grad():
            here, there = (
                head(encoder(g), g)[name]
                for s in (cases.chiral(), rotated(cases.chiral(), R))
                for g in [neighbour_graph(s, encoder.cutoff)]
            )
        assert here.abs().max() > 1e-3
        torch.testing.assert_close(there, turned_value(here, p, R))


def test_spherical_components_and_pseudoscalars():
    """Not in the vocabulary, but properties all the same."""
    q = Property("q", "1", "atom", Irreps("2x1o+2e"), False, None, (11,))
    chirality = Property("chirality", "1", "structure", Irreps("0o"), True)
    both = NATURAL + Irreps("4x0o+4x1e+4x2o")
    s = cases.chiral()
    found = head_laws.predict(head_for(q), head_laws.random_embedding(NATURAL, 5), s)["q"]
    assert found.shape == (5, 11)
    head = head_for(chirality, both)
    head_laws.check_head_rotation(head, both, s)
    with pytest.raises(ValueError, match=r"no 0o\. Give the encoder parity: both"):
        head_for(chirality)


def test_several_properties_are_refused():
    with pytest.raises(ValueError, match="gives one property"):
        tensor.build(tensor.Config(), NATURAL, (PROPERTIES["forces"], PROPERTIES["dipole"]))
