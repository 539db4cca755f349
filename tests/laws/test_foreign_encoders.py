"""Networks of other packages hold the laws of encoders; they are tested where their package is."""

from __future__ import annotations

import functools
import pkgutil
from contextlib import nullcontext

import pytest

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.encoders import foreign
from atomscape.find import find
from atomscape.testing import cases, laws

NAMES = sorted(module.name for module in pkgutil.iter_modules(foreign.__path__))
SMALL = {
    "channels": 4,
    "hidden_channels": 4,
    "layers": 2,
    "l_max": 2,
    "l_hidden": 2,
    "correlation": 2,
    "cutoff": 3.4,
    "n_radial": 5,
    "average_neighbours": 3.0,
}


def _built(name: str, **more):
    module = find("encoders", f"foreign.{name}")
    if module.absent():
        pytest.skip(module.absent())
    options = {k: v for k, v in SMALL.items() if k in module.Config.model_fields}
    return module.build(module.Config(**options, **more)).double()


@functools.cache
def _encoder(name: str):
    return _built(name)


@pytest.fixture(params=NAMES)
def encoder(request):
    """A small network of random weights."""
    return _encoder(request.param)


@pytest.mark.parametrize("case", ["ethanol", "diamond", "mixed_batch", "empty", "isolated_atom"])
def test_space(encoder, case):
    structures = cases.everything[case]()
    turns = laws.claims_equivariance(encoder) or case in ("empty", "isolated_atom")
    with nullcontext() if turns else pytest.raises(AssertionError, match="rotation law"):
        laws.check_rotation(encoder, structures, case=case)
    if encoder.symmetry != "SO(3)":
        with nullcontext() if turns else pytest.raises(AssertionError, match="reflection law"):
            laws.check_reflection(encoder, structures, case=case)
    laws.check_translation(encoder, structures, case=case)
    laws.check_permutation(encoder, structures, case=case)


def test_crystals(encoder):
    laws.check_lattice_translation(encoder, cases.skewed_cell())
    laws.check_unimodular_cell(encoder, cases.skewed_cell())
    laws.check_batch_alone(encoder, cases.mixed_batch())
    if laws.claims_equivariance(encoder):
        laws.check_cubic_site(encoder, cases.diamond())


@pytest.mark.parametrize("case", ["rattled_rocksalt", "one_atom_crystal", "water"])
def test_derivatives(encoder, case):
    laws.check_finite_difference(encoder, cases.everything[case](), case=case)
    laws.check_gradients(encoder, cases.everything[case](), case=case)


def test_machine(encoder):
    laws.check_single_precision(encoder, cases.rattled_rocksalt())
    laws.check_layers(encoder, cases.mixed_batch())
    laws.check_alive(encoder, cases.mixed_batch())


def test_sevennet_that_tells_odd_from_even():
    """It can be reflected, and has pseudovectors from the second layer on."""
    encoder = _built("sevennet", parity="both")
    laws.check_rotation(encoder, cases.chiral())
    laws.check_reflection(encoder, cases.chiral())


def test_other_weights_and_strangers_are_refused(request, encoder):
    """A model keeps to the weights it was made with; elements that the network lacks are named."""
    name = request.node.callspec.params["encoder"]
    chosen = (
        {"elements": (1, 8)} if "elements" in find("encoders", f"foreign.{name}").Config.model_fields else {}
    )
    few = _built(name, seed=1, **chosen)
    with pytest.raises(ValueError, match="made with weights"):
        few.load_state_dict(encoder.state_dict())
    if not chosen:
        return
    with pytest.raises(ValueError, match="knows nothing of C; its elements are H, O"):
        few(neighbour_graph(cases.ethanol(), few.cutoff))
