"""Networks of other packages hold the laws of encoders; they are tested where their package is."""

from __future__ import annotations

import functools
import pkgutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from atomscape.atoms.ase import to_ase
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.encoders import foreign
from atomscape.find import find
from atomscape.nn.foreign.interpreter import interpreter
from atomscape.testing import cases, laws

NAMES = sorted(module.name for module in pkgutil.iter_modules(foreign.__path__))
SMALL = {
    "channels": 4,
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
    laws.check_rotation(encoder, structures, case=case)
    laws.check_reflection(encoder, structures, case=case)
    laws.check_translation(encoder, structures, case=case)
    laws.check_permutation(encoder, structures, case=case)


def test_crystals(encoder):
    laws.check_lattice_translation(encoder, cases.skewed_cell())
    laws.check_unimodular_cell(encoder, cases.skewed_cell())
    laws.check_batch_alone(encoder, cases.mixed_batch())
    laws.check_cubic_site(encoder, cases.diamond())


@pytest.mark.parametrize("case", ["rattled_rocksalt", "one_atom_crystal", "water"])
def test_derivatives(encoder, case):
    laws.check_finite_difference(encoder, cases.everything[case](), case=case)
    laws.check_gradients(encoder, cases.everything[case](), case=case)


def test_machine(encoder):
    laws.check_single_precision(encoder, cases.rattled_rocksalt())
    laws.check_layers(encoder, cases.mixed_batch())
    laws.check_alive(encoder, cases.mixed_batch())


def test_other_weights_and_strangers_are_refused(request, encoder):
    """A model keeps to the weights it was made with; elements that the network lacks are named."""
    name = request.node.callspec.params["encoder"]
    few = _built(name, seed=1, elements=(1, 8))
    with pytest.raises(ValueError, match="made with weights"):
        few.load_state_dict(encoder.state_dict())
    with pytest.raises(ValueError, match="knows nothing of C; its elements are H, O"):
        few(neighbour_graph(cases.ethanol(), few.cutoff))


DESCRIPTORS = """
import sys
import numpy as np
import torch
from ase.io import read
from mace.calculators import MACECalculator
sys.path.insert(0, sys.argv[1])
from mace_features import untrained
torch.set_default_dtype(torch.float64)
options = dict(seed=3, channels=4, l_hidden=2, l_max=2, correlation=2, layers=2, cutoff=3.4, n_radial=5)
model = untrained({**options, "elements": [1, 6, 8], "average_neighbours": 3.0})
torch.save(model, sys.argv[3])
calculator = MACECalculator(models=[model], device="cpu", default_dtype="float64")
np.save(sys.argv[4], calculator.get_descriptors(read(sys.argv[2]), invariants_only=False))
"""


def test_a_model_file_gives_its_own_descriptors(tmp_path):
    """Scalars as they are, vectors with their components in our order and the opposite sign."""
    module = find("encoders", "foreign.mace")
    if module.absent():
        pytest.skip(module.absent())
    import atomscape.nn.foreign.encoder as home

    ethanol = cases.ethanol()
    frames, model, out = (str(tmp_path / name) for name in ("frame.xyz", "saved.model", "found.npy"))
    to_ase(ethanol)[0].write(frames)
    words = [interpreter("mace"), "-c", DESCRIPTORS, Path(home.__file__).parent, frames, model, out]
    subprocess.run([str(word) for word in words], check=True, capture_output=True)
    theirs = torch.from_numpy(np.load(out))
    encoder = module.build(module.Config(file=model)).double()
    ours = encoder(neighbour_graph(ethanol, encoder.cutoff), layers=True).layers[1].blocks
    assert torch.allclose(ours[0, 1][:, 0, 4:], theirs[:, :4], atol=1e-6)
    vectors = theirs[:, 4:16].unflatten(1, (4, 3))  # x, y, z of each channel
    assert float(vectors.abs().max()) > 1e-3
    assert torch.allclose(ours[1, -1], -vectors[:, :, [1, 2, 0]].transpose(1, 2), atol=1e-6)
