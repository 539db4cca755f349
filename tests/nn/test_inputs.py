"""Inputs: what a label must be to enter a network, and what enters."""

from __future__ import annotations

import math

import pytest
import torch
from pydantic import ValidationError

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.encoders import tfn
from atomscape.nn.inputs import Input, InputEmbedding
from atomscape.nn.layout import Layout
from atomscape.testing import cases

FIELD = {"label": "field", "per": "structure", "irreps": "1o"}
MASSES = {"label": "masses", "per": "atom", "irreps": "0e"}
STRAIN = {"label": "strain", "per": "structure", "symmetry": "ij=ji"}


def embedding(*inputs, parity="natural", l_max=2, channels=3):
    torch.manual_seed(0)
    return InputEmbedding(
        tuple(Input.model_validate(i) for i in inputs), Layout(l_max, parity), channels
    ).double()


def test_the_vocabulary_says_what_its_labels_are():
    i = Input.model_validate("dielectric")
    assert (i.per, i.irreps, i.symmetry, i.shape) == ("structure", "1x0e+1x2e", "ij=ji", (3, 3))
    assert Input.model_validate("charges").shape == ()


def test_an_input_written_out_is_the_same():
    for given in ("shielding", FIELD, MASSES, STRAIN, "elastic"):
        i = Input.model_validate(given)
        assert Input.model_validate(i.model_dump(mode="json")) == i


def test_what_is_neither_known_nor_described_is_refused():
    with pytest.raises(ValueError, match="'masses' is not in the vocabulary; say how it turns"):
        tfn.build(tfn.Config(inputs=["masses"]))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({**FIELD, "shape": [2]}, "give the symmetry of its indices"),
        ({**STRAIN, "irreps": "1o"}, "tensors 'ij=ji' have shape"),
        ({**STRAIN, "irreps": "0e+2o"}, "of one tensor have one parity"),
    ],
)
def test_descriptions_that_contradict_themselves_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        Input.model_validate(given).property()


def test_a_vector_is_x_y_z_and_a_block_y_z_x():
    e = embedding(FIELD, channels=1)
    s = cases.water().with_labels(field=torch.tensor([[1.0, 2.0, 3.0]], dtype=torch.float64))
    h = e(s)
    w = float(e.weights["1o"].detach()[0, 0])
    expected = torch.tensor([0.0, 2 * w, 3 * w, w], dtype=torch.float64)
    assert h.shape == (3, 4, 1), "degrees up to that of the input"
    torch.testing.assert_close(h[:, :, 0], expected.expand(3, 4))


def test_copies_of_an_irrep_are_mixed_and_scales_divide():
    s = cases.water().with_labels(
        masses=torch.tensor([2.0, 4.0, 6.0], dtype=torch.float64),
        strain=torch.eye(3, dtype=torch.float64)[None],
    )
    e = embedding({**MASSES, "scale": 2.0}, STRAIN)
    m, trace = torch.tensor([1.0, 2.0, 3.0]).double()[:, None], math.sqrt(3)
    torch.testing.assert_close(e(s)[:, 0], m * e.weights["0e"][0] + trace * e.weights["0e"][1])
    assert e(s)[:, 1:].abs().max() < 1e-12, "a unit tensor has no part of degree 2"


def test_spherical_components_enter_as_they_are():
    e = embedding({"label": "q", "per": "atom", "irreps": "2x1o+2e"}, channels=2)
    q = torch.randn(3, 11, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    h = e(cases.water().with_labels(q=q))
    torch.testing.assert_close(h[:, 4:], q[:, 6:, None] * e.weights["2e"][0])
    torch.testing.assert_close(
        h[:, 1:4], torch.einsum("akm,kc->amc", q[:, :6].reshape(3, 2, 3), e.weights["1o"])
    )


@pytest.mark.parametrize("parity", ["natural", "both", "so3"])
def test_a_layout_is_widened_by_zeros(parity):
    narrow, wide = Layout(1, parity), Layout(3, parity)
    x = torch.randn(2, narrow.lm, 4)
    there = dict(zip(wide.keys, wide.split(narrow.widened(x, wide)), strict=True))
    here = dict(zip(narrow.keys, narrow.split(x), strict=True))
    assert all(torch.equal(there[k], here.get(k, torch.zeros_like(there[k]))) for k in wide.keys)


@pytest.mark.parametrize(
    ("inputs", "options", "message"),
    [
        (["elastic"], {}, "degrees up to 2: set l_max: 4"),
        (["shielding"], {}, "1e has not the natural parity .* set parity: both"),
    ],
)
def test_a_network_without_the_degree_or_parity_says_what_would_have_it(inputs, options, message):
    with pytest.raises(ValueError, match=message):
        tfn.build(tfn.Config(inputs=inputs, **options))
    tfn.build(tfn.Config(inputs=inputs, l_max=4, parity="both"))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({}, "reads the label 'masses' of each atom, .* Labels there: none"),
        ({"mases": torch.ones(3)}, "did you mean 'mases'"),
        ({"masses": torch.ones(3, 1)}, r"of shape \(3,\); given \(3, 1\)"),
        ({"masses": torch.tensor([1.0, math.nan, math.inf])}, "NaN or infinite for 2 of 3"),
    ],
)
def test_labels_that_cannot_be_read_are_refused(labels, message):
    encoder = tfn.build(tfn.Config(inputs=[MASSES], channels=4, layers=1))
    graph = neighbour_graph(cases.water().with_labels(**labels), 5.0)
    with pytest.raises(ValueError, match=message):
        encoder(graph)


def test_structures_that_say_nothing_of_noise_have_none():
    """An encoder that learned from noisy structures serves clean ones as they come."""
    encoder = tfn.build(tfn.Config(inputs=["noise_level"], channels=4, layers=1))
    s = cases.water()
    said = s.with_labels(noise_level=torch.zeros(1, dtype=torch.float64))
    there, here = (encoder(neighbour_graph(x, 5.0)).invariants() for x in (said, s))
    assert torch.equal(there, here)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"species": False}, "nothing enters the network"),
        ({"inputs": ["charges", "charges"]}, "named once each"),
    ],
)
def test_configs_that_make_no_sense(options, message):
    with pytest.raises(ValidationError, match=message):
        tfn.Config(**options)


def test_options_that_are_not_used_leave_no_trace():
    """Models made before there were inputs keep their description, and so their hash."""
    assert set(tfn.Config().model_dump(mode="json")) == {
        "l_max", "channels", "layers", "cutoff", "n_radial", "radial_hidden", "parity", "average_neighbours"
    }  # fmt: skip
    used = tfn.Config(inputs=[MASSES], nonlinear=False, species=False)
    assert tfn.Config(**used.model_dump(mode="json")) == used


def test_a_linear_layer_is_a_sum_of_filters():
    """Twice the sources, twice the features; two sources, the sum of their features; no constants."""
    torch.manual_seed(0)
    encoder = tfn.build(tfn.Config(inputs=[MASSES], species=False, nonlinear=False, channels=4, layers=1))
    encoder = encoder.double()

    def features(*masses):
        s = cases.water().with_labels(masses=torch.tensor(masses, dtype=torch.float64))
        return torch.cat(tuple(encoder(neighbour_graph(s, 5.0)).blocks.values()), 1)

    torch.testing.assert_close(features(1, 2, 0), features(1, 0, 0) + 2 * features(0, 1, 0))
    assert features(0, 0, 0).abs().max() == 0
