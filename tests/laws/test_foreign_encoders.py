"""Networks of other packages hold the laws of encoders; they are tested where their package is."""

from __future__ import annotations

import functools
import pkgutil
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.encoders import foreign
from atomscape.find import find
from atomscape.nn.foreign.encoder import importable
from atomscape.nn.foreign.interpreter import interpreter
from atomscape.testing import cases, laws

NAMES = sorted(module.name for module in pkgutil.iter_modules(foreign.__path__))
MODEL = Path(__file__).with_name("foreign_metatomic_model.py")
ANY_ELEMENT = {"orb", "uma"}
"""Networks whose elements cannot be chosen."""

SMALL = {
    "channels": 4,
    "hidden_channels": 4,
    "layers": 2,
    "l_max": 2,
    "l_hidden": 2,
    "m_max": 1,
    "correlation": 2,
    "cutoff": 3.4,
    "n_radial": 5,
    "average_neighbours": 3.0,
}


def _built(name: str, folder: Path, **more):
    module = find("encoders", f"foreign.{name}")
    if module.absent():
        pytest.skip(module.absent())
    options = {k: v for k, v in SMALL.items() if k in module.Config.model_fields}
    if name == "metatomic":
        options, more = _exported(folder, **more), {}
    return module.build(module.Config(**options, **more)).double()


def _exported(folder: Path, seed: int = 0, elements=range(1, 119)) -> dict:
    """A model of the format that is known by its file alone, made where the format is known."""
    file = folder / f"{seed}.pt"
    python = sys.executable if importable("metatomic") else interpreter("metatomic")
    words = [python, MODEL, file, seed, *elements]
    subprocess.run([str(word) for word in words], check=True, capture_output=True)
    return {"file": str(file), "outputs": ("feature", "mtt::aux::spherical", "mtt::aux::arrow")}


@functools.cache
def _encoder(name: str, folder: Path):
    return _built(name, folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where files of networks are put."""
    return tmp_path_factory.mktemp("foreign")


@pytest.fixture(params=NAMES)
def encoder(request, folder):
    """A small network of random weights."""
    return _encoder(request.param, folder)


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


def test_sevennet_that_tells_odd_from_even(folder):
    """It can be reflected."""
    encoder = _built("sevennet", folder, parity="both")
    laws.check_rotation(encoder, cases.chiral())
    laws.check_reflection(encoder, cases.chiral())


def test_other_weights_and_strangers_are_refused(request, encoder, folder):
    """A model keeps to the weights it was made with; elements that the network lacks are named."""
    name = request.node.callspec.params["encoder"]
    few = _built(name, folder, seed=1, **({} if name in ANY_ELEMENT else {"elements": (1, 8)}))
    with pytest.raises(ValueError, match="made with weights"):
        few.load_state_dict(encoder.state_dict())
    if name in ANY_ELEMENT:
        return
    with pytest.raises(ValueError, match="knows nothing of C; its elements are H, O"):
        few(neighbour_graph(cases.ethanol(), few.cutoff))
