"""Every encoder × symmetry mode × structure × law. An encoder is here by being a file in ``encoders/``."""

from __future__ import annotations

import functools

import pytest
import torch

from atomscape.find import available, find
from atomscape.testing import cases, laws

# Small but complete: more than one layer, so that features of every block meet each other.
SMALL = {
    "channels": 6,
    "layers": 3,
    "cutoff": 3.4,
    "n_radial": 5,
    "radial_hidden": 8,
    "average_neighbours": 3.0,
    "attention_heads": 2,
    "head_channels": 4,
}

# Products of features within a layer: with few neighbours on average, dense crystals would make numbers that
# float32 does not hold. One variant has all that they add; the rest is layers and operations of the others.
OWN = {
    "escn": {"l_max": 3, "m_max": 2, "layers": 2},
    "mace": {"l_max": 2, "layers": 2, "average_neighbours": 30.0},
    "nequip": {"l_max": 1, "layers": 3, "average_neighbours": 30.0, "parity": "both"},
    "vector_products": {"layers": 2, "average_neighbours": 10.0},
}


def _variants(name: str) -> list[dict]:
    """Settings of an encoder to test: all symmetry modes and degrees it offers, or its own."""
    fields = find("encoders", name).Config.model_fields
    base = {k: v for k, v in SMALL.items() if k in fields}
    if name in OWN:
        return [{**base, **OWN[name]}]
    modes = ("natural", "both", "so3") if "parity" in fields else (None,)
    degrees = (1, 2, 3) if "l_max" in fields else (None,)
    wide = {"both": (1, 2), "so3": (1, 2)}
    return [
        {**base, **({"parity": m} if m else {}), **({"l_max": l} if l else {})}
        for m in modes
        for l in degrees
        if l is None or l in wide.get(m, degrees)
    ]


VARIANTS = {
    "-".join([name, *(f"{k}={v[k]}" for k in ("parity", "l_max") if k in v)]): (name, v)
    for name in available("encoders")
    for v in _variants(name)
}


def build(variant: str) -> torch.nn.Module:
    """Random weights in float64, wider than for training and with biases: every block is alive."""
    name, settings = VARIANTS[variant]
    module = find("encoders", name)
    with torch.random.fork_rng():
        torch.manual_seed(11)
        encoder = module.build(module.Config(**settings)).double()
        with torch.no_grad():
            for p in encoder.parameters():
                if p.dim() == 1:
                    p.add_(0.3 * torch.randn_like(p))
                else:
                    p.mul_(1.4)
    return encoder


@functools.cache
def _encoder(variant: str) -> torch.nn.Module:
    return build(variant)


@pytest.fixture(params=VARIANTS)
def encoder(request):
    return _encoder(request.param)


def tracks_parity(encoder) -> bool:
    return getattr(encoder.config, "parity", "natural") != "so3"


WITHOUT_EDGES = {"isolated_atom", "far_apart", "empty"}
"""Structures in which there is no direction."""


structures = pytest.mark.parametrize("case", cases.everything)
crystals = pytest.mark.parametrize("case", [*cases.periodic, "mixed_batch"])


@structures
def test_rotation(encoder, case):
    if laws.claims_equivariance(encoder) or case in WITHOUT_EDGES:
        laws.check_rotation(encoder, cases.everything[case](), case=case)
    else:
        with pytest.raises(AssertionError, match="rotation law"):
            laws.check_rotation(encoder, cases.everything[case](), case=case)


@structures
def test_reflection(encoder, case):
    if not tracks_parity(encoder):
        with pytest.raises(ValueError, match="parity"):
            laws.check_reflection(encoder, cases.ethanol())
    elif not laws.claims_equivariance(encoder) and case not in WITHOUT_EDGES:
        with pytest.raises(AssertionError, match="reflection law"):
            laws.check_reflection(encoder, cases.everything[case](), case=case)
    else:
        laws.check_reflection(encoder, cases.everything[case](), case=case)


@structures
def test_translation(encoder, case):
    laws.check_translation(encoder, cases.everything[case](), case=case)


@structures
def test_permutation(encoder, case):
    laws.check_permutation(encoder, cases.everything[case](), case=case)


@crystals
def test_lattice_translation(encoder, case):
    laws.check_lattice_translation(encoder, cases.everything[case](), case=case)


@crystals
def test_unimodular_cell(encoder, case):
    laws.check_unimodular_cell(encoder, cases.everything[case](), case=case)


@crystals
def test_supercell(encoder, case):
    laws.check_supercell(encoder, cases.everything[case](), times=(2, 1, 2), case=case)


def test_batch_is_alone(encoder):
    laws.check_batch_alone(encoder, cases.mixed_batch(), case="mixed_batch")


@pytest.mark.parametrize("case", cases.perfect_crystals)
def test_cubic_sites(encoder, case):
    if laws.claims_equivariance(encoder):
        laws.check_cubic_site(encoder, cases.everything[case](), case=case)
    else:
        with pytest.raises(AssertionError, match="cubic site law"):
            laws.check_cubic_site(encoder, cases.everything[case](), case=case)


@pytest.mark.parametrize("numbers", [(8, 6, 1), (14, 14, 14)])
def test_cutoff_continuity(encoder, numbers):
    laws.check_cutoff_continuity(encoder, numbers=numbers, case=str(numbers))


def test_large_separation(encoder):
    laws.check_large_separation(encoder, cases.ethanol(), cases.chiral())


@pytest.mark.parametrize("number", [1, 8, 94, 118])
def test_isolated_atom(encoder, number):
    laws.check_isolated_atom(encoder, number=number, case=f"element {number}")


def test_no_edges(encoder):
    laws.check_no_edges(encoder, cases.far_apart())


def test_empty_graph(encoder):
    laws.check_empty(encoder)


@structures
def test_derivatives_are_finite_differences(encoder, case):
    laws.check_finite_difference(encoder, cases.everything[case](), case=case)


@pytest.mark.parametrize("case", ["water", "one_atom_crystal", "diamond", "isolated_atom"])
def test_gradients(encoder, case):
    laws.check_gradients(encoder, cases.everything[case](), case=case)


@structures
def test_single_precision(encoder, case):
    laws.check_single_precision(encoder, cases.everything[case](), case=case)


def test_same_seed_twice(request, encoder):
    variant = request.node.callspec.params["encoder"]
    name, settings = VARIANTS[variant]
    module = find("encoders", name)
    laws.check_same_twice(lambda: module.build(module.Config(**settings)), cases.mixed_batch(), case=variant)


def test_save_load(request, encoder):
    laws.check_save_load(lambda: build(request.node.callspec.params["encoder"]), cases.mixed_batch())


def test_layers(encoder):
    laws.check_layers(encoder, cases.mixed_batch())


@pytest.mark.parametrize("case", cases.generic)
def test_every_block_is_alive(encoder, case):
    """The laws above would hold for zeros as well."""
    laws.check_alive(encoder, cases.everything[case](), case=case)


def test_encoders_were_found():
    known = {"tfn", "schnet", "egnn", "painn", "escn", "vector_products", "attention"}
    assert known <= {name for name, _ in VARIANTS.values()}
    assert [v for v in VARIANTS if not laws.claims_equivariance(_encoder(v))] == ["attention"]
