"""Each law passes on a sound encoder and catches the faults it is there for."""

from __future__ import annotations

import pytest
import torch

from atomscape.testing import cases, laws
from atomscape.testing.toy import ToyEncoder

MOLECULE, MIXED = cases.ethanol(), cases.mixed_batch()

# law → (how to ask it, faults it must catch)
LAWS = {
    "rotation": (lambda e: laws.check_rotation(e, MOLECULE), {"frame"}),
    "rotation of crystals": (lambda e: laws.check_rotation(e, cases.slab()), {"frame"}),
    "reflection": (lambda e: laws.check_reflection(e, MOLECULE), {"frame", "handed"}),
    "translation": (lambda e: laws.check_translation(e, MIXED), {"origin"}),
    "permutation": (lambda e: laws.check_permutation(e, MOLECULE), {"order"}),
    "lattice translation": (lambda e: laws.check_lattice_translation(e, cases.slab()), {"shifts", "origin"}),
    "unimodular cell": (lambda e: laws.check_unimodular_cell(e, cases.skewed_cell()), {"cell"}),
    "supercell": (lambda e: laws.check_supercell(e, cases.rattled_rocksalt()), {"size", "shifts", "cell"}),
    "batch = alone": (lambda e: laws.check_batch_alone(e, MIXED), {"mates", "order"}),
    "cubic site": (lambda e: laws.check_cubic_site(e, cases.fcc()), {"norm", "frame"}),
    "cutoff continuity": (laws.check_cutoff_continuity, {"sharp", "lonely"}),
    "large separation": (
        lambda e: laws.check_large_separation(e, MOLECULE, cases.water()),
        {"far", "size", "mates"},
    ),
    "isolated atom": (laws.check_isolated_atom, {"lonely", "frame", "cell"}),
    "no edges": (lambda e: laws.check_no_edges(e, cases.far_apart()), {"size", "lonely"}),
    "empty": (laws.check_empty, set()),
    "finite difference": (lambda e: laws.check_finite_difference(e, MOLECULE), {"detached"}),
    "finite difference of strain": (lambda e: laws.check_finite_difference(e, cases.slab()), {"detached"}),
    "gradients": (lambda e: laws.check_gradients(e, cases.water()), {"detached"}),
    "single precision": (lambda e: laws.check_single_precision(e, MIXED), {"random"}),
    "layers": (lambda e: laws.check_layers(e, MOLECULE), {"layers"}),
    "alive": (lambda e: laws.check_alive(e, MOLECULE), {"dead"}),
}


def encoder(fault=None, **options) -> ToyEncoder:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return ToyEncoder(fault=fault, **options).double()


@pytest.mark.parametrize("law", LAWS)
def test_sound_encoder_passes(law):
    LAWS[law][0](encoder())


@pytest.mark.parametrize(
    ("law", "fault"), [(law, fault) for law, (_, faults) in LAWS.items() for fault in sorted(faults)]
)
def test_fault_is_caught(law, fault):
    with pytest.raises(AssertionError, match=r"law, case|gradcheck law"):
        LAWS[law][0](encoder(fault))


def test_float32_inside_misses_float64_tolerance():
    with pytest.raises(AssertionError, match="rotation law"):
        laws.check_rotation(encoder("single"), MOLECULE)


def test_norm_passes_where_nothing_vanishes_and_fails_on_perfect_crystals():
    """The reason why perfect crystals are among the cases."""
    laws.check_rotation(encoder("norm"), cases.rattled_rocksalt())
    with pytest.raises(AssertionError):
        laws.check_rotation(encoder("norm"), cases.fcc())


@pytest.mark.parametrize("fault", ["random", "forgets"])
def test_unreproducible_encoders_are_caught(fault):
    check = {"random": laws.check_same_twice, "forgets": laws.check_save_load}[fault]
    check(encoder, MIXED)
    with pytest.raises(AssertionError, match=r"law, case"):
        check(lambda: ToyEncoder(fault=fault).double(), MIXED)


def test_message_names_law_case_block_error_and_tolerance():
    with pytest.raises(
        AssertionError, match=r"rotation law, case 'a molecule', last, block l=1 parity=-1"
    ) as error:
        laws.check_rotation(encoder("frame"), MOLECULE, case="a molecule")
    assert "> tolerance 1e-10" in str(error.value)


@pytest.mark.parametrize(
    "check", [laws.check_lattice_translation, laws.check_unimodular_cell, laws.check_supercell]
)
def test_vacuous_question_is_refused(check):
    with pytest.raises(ValueError, match="periodic"):
        check(encoder(), MOLECULE)
