"""What another package makes of a structure by itself is what our adapter gives: signs and order."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import atomscape.nn.foreign.encoder as home
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.find import find
from atomscape.nn.foreign.interpreter import interpreter
from atomscape.testing import cases

BEGIN = """
import sys
import numpy as np
import torch
folder, frame, saved, found = sys.argv[1:]
sys.path.insert(0, folder)
given = np.load(frame)
"""
ATOMS = """
from ase import Atoms
atoms = Atoms(given["numbers"], given["positions"], cell=given["cell"][0], pbc=given["pbc"][0])
"""


def python(peer: str) -> Path:
    """An interpreter that has a package: ours, if it can be imported here."""
    return Path(sys.executable) if home.importable(peer) else interpreter(peer)


def told(peer: str, script: str, folder: Path, structure=cases.ethanol) -> tuple[torch.Tensor, str]:
    """What a script computes in the environment of a package, and the file of its network."""
    if home.absent(peer):
        pytest.skip(home.absent(peer))
    frame, saved, found = (str(folder / name) for name in ("frame.npz", "saved.model", "found.npy"))
    s = structure()
    np.savez(frame, numbers=s.numbers, positions=s.positions, cell=s.cell, pbc=s.pbc)
    words = [python(peer), "-c", BEGIN + script, Path(home.__file__).parent, frame, saved, found]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return torch.from_numpy(np.load(found)), saved


def vectors(row: torch.Tensor) -> torch.Tensor:
    """From x, y, z of each channel, as other packages have them, to ours."""
    return row.unflatten(1, (-1, 3))[:, :, [1, 2, 0]].transpose(1, 2)


MACE = """
from mace.calculators import MACECalculator
from mace_features import untrained
torch.set_default_dtype(torch.float64)
options = dict(seed=3, channels=4, l_hidden=2, l_max=2, correlation=2, layers=2, cutoff=3.4, n_radial=5)
model = untrained({**options, "elements": [1, 6, 8], "average_neighbours": 3.0})
torch.save(model, saved)
calculator = MACECalculator(models=[model], device="cpu", default_dtype="float64")
np.save(found, calculator.get_descriptors(atoms, invariants_only=False))
"""


def test_mace(tmp_path):
    """Scalars as they are, vectors with their components in our order and the opposite sign."""
    theirs, file = told("mace", ATOMS + MACE, tmp_path)
    module = find("encoders", "foreign.mace")
    encoder = module.build(module.Config(file=file)).double()
    ours = encoder(neighbour_graph(cases.ethanol(), encoder.cutoff), layers=True).layers[1].blocks
    assert torch.allclose(ours[0, 1][:, 0, 4:], theirs[:, :4], atol=1e-6)
    assert float(theirs[:, 4:16].abs().max()) > 1e-3
    assert torch.allclose(ours[1, -1], -vectors(theirs[:, 4:16]), atol=1e-6)


SEVENNET = """
import sevenn
from sevenn.util import unlabeled_atoms_to_input
from sevennet_features import untrained
options = dict(seed=3, channels=4, l_max=2, layers=2, parity="both", self_connection="nequip", cutoff=3.4)
model, settings = untrained({**options, "n_radial": 5, "elements": [1, 6, 8], "average_neighbours": 3.0})
settings["version"] = sevenn.__version__
torch.save({"config": settings, "model_state_dict": model.state_dict()}, saved)
model.set_is_batch_data(False)
seen = []
model.get_submodule("0_equivariant_gate").register_forward_hook(lambda *of: seen.append(of[-1]["x"].detach()))
model(unlabeled_atoms_to_input(atoms, settings["cutoff"]))
np.save(found, seen[0].numpy())
"""


def test_sevennet(tmp_path):
    """Scalars and vectors after the first layer, the latter with their own sign."""
    theirs, file = told("sevennet", ATOMS + SEVENNET, tmp_path)
    module = find("encoders", "foreign.sevennet")
    encoder = module.build(module.Config(file=file)).double()
    assert encoder.symmetry == "O(3)"
    ours = encoder(neighbour_graph(cases.ethanol(), encoder.cutoff), layers=True).layers[1].blocks
    assert encoder.irreps_of_layers[1] == "4x0e+4x1o+4x2e"
    assert torch.allclose(ours[0, 1][:, 0, 4:], theirs[:, :4].double(), atol=1e-5)
    assert float(theirs[:, 4:16].abs().max()) > 1e-3
    assert torch.allclose(ours[1, -1], vectors(theirs[:, 4:16].double()), atol=1e-5)
    with pytest.raises(RuntimeError, match=r"modality 'r2scan' .* leave it out"):
        module.build(module.Config(file=file, modality="r2scan"))


ORB = """
from orb_models.forcefield import pretrained
from orb_models.forcefield.atomic_system import SystemConfig, ase_atoms_to_atom_graphs
torch.manual_seed(0)
config = SystemConfig(radius=6.0, max_num_neighbors=20)
whole = pretrained.orb_v2_architecture(num_message_passing_steps=5, device="cpu", system_config=config).eval()
torch.save(whole.state_dict(), saved)
batch = ase_atoms_to_atom_graphs(atoms, system_config=config, device=torch.device("cpu"))
np.save(found, whole.model(batch)["node_features"].detach().numpy())
"""


def test_orb(tmp_path):
    """Features after the last layer, of atoms that have more neighbours than the network looks at."""
    theirs, file = told("orb", ATOMS + ORB, tmp_path, cases.rattled_rocksalt)
    module = find("encoders", "foreign.orb")
    encoder = module.build(module.Config(file=file, architecture="orb-d3-xs-v2"))
    graph = neighbour_graph(cases.rattled_rocksalt(), encoder.cutoff)
    assert int(graph.row_offsets.diff().max()) > 20
    ours = encoder(graph).blocks[0, 1][:, 0, -256:]
    assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-4)
    with pytest.raises(RuntimeError, match=r"architecture 'orb-v9' .* is none of the package's: orb-v3"):
        module.build(module.Config(file=file, architecture="orb-v9"))


METATOMIC = """
from metatomic.torch import ModelEvaluationOptions, ModelOutput, System, load_atomistic_model
from vesin.metatomic import neighbor_lists_for_model
system = System(
    torch.from_numpy(given["numbers"]).int(),
    torch.from_numpy(given["positions"]),
    torch.from_numpy(given["cell"][0]),
    torch.from_numpy(given["pbc"][0]),
)
model = load_atomistic_model(saved)
for neighbours in neighbor_lists_for_model("angstrom", model):
    neighbours.add_neighbor_list(system)
outputs = {name: ModelOutput(sample_kind="atom") for name in ("feature", "mtt::aux::spherical")}
made = model([system], ModelEvaluationOptions("angstrom", outputs), check_consistency=True)
blocks = made["feature"].block(0), *made["mtt::aux::spherical"].blocks()
np.save(found, np.concatenate([b.values.detach().numpy().reshape(len(system), -1) for b in blocks], 1))
"""


def test_metatomic(tmp_path):
    """All outputs, with the neighbour lists that the package makes; what a model lacks is named."""
    if home.absent("metatomic"):
        pytest.skip(home.absent("metatomic"))
    script = Path(__file__).parents[1] / "laws" / "foreign_metatomic_model.py"
    words = [python("metatomic"), script, tmp_path / "saved.model", 0, 8, 12]
    subprocess.run([str(word) for word in words], check=True, capture_output=True)
    theirs, file = told("metatomic", METATOMIC, tmp_path, cases.rattled_rocksalt)
    module = find("encoders", "foreign.metatomic")
    encoder = module.build(module.Config(file=file, outputs=("feature", "mtt::aux::spherical")))
    ours = encoder.double()(neighbour_graph(cases.rattled_rocksalt(), encoder.cutoff)).blocks
    assert [(k, b.shape[2]) for k, b in ours.items()] == [((0, 1), 8), ((1, -1), 4)]
    assert torch.allclose(ours[0, 1][:, 0], theirs[:, :8], rtol=1e-9)
    assert float(theirs[:, 8:].abs().max()) > 1e-3
    assert torch.allclose(ours[1, -1].flatten(1), theirs[:, 8:], rtol=1e-9, atol=1e-12)
    plain = module.build(module.Config(file=file, outputs=("mtt::aux::spherical",), invariant=False))
    assert (plain.equivariant, str(plain.irreps)) == (False, "16x0e")
    for name, message in (("energy", "of each system, not of each atom"), ("x", "it has energy, feature")):
        with pytest.raises((RuntimeError, ValueError), match=message):
            module.build(module.Config(file=file, outputs=(name,)))


UMA = """
import hydra
from fairchem.core.datasets.atomic_data import AtomicData, atomicdata_list_to_batch
from fairchem.core.units.mlip_unit.api.inference import MLIPInferenceCheckpoint
torch.manual_seed(1)
home = "fairchem.core.models"
backbone = {
    "model": f"{home}.uma.escn_moe.eSCNMDMoeBackbone", "num_experts": 3, "use_composition_embedding": True,
    "sphere_channels": 4, "hidden_channels": 4, "edge_channels": 4, "num_layers": 2, "lmax": 2, "mmax": 2,
    "cutoff": 3.4, "num_distance_basis": 5, "ff_type": "spectral", "dataset_mapping": {"omol": "omol"},
    "otf_graph": True, "always_use_pbc": False, "direct_forces": False, "regress_forces": True,
}
heads = {"energy": {"module": f"{home}.uma.escn_md.MLP_EFS_Head"}}
config = {"_target_": f"{home}.base.HydraModel", "backbone": backbone, "heads": heads, "model_id": "UMA-0"}
model = hydra.utils.instantiate(config).eval()
averaged = torch.optim.swa_utils.AveragedModel(model)
torch.save(MLIPInferenceCheckpoint(config, model.state_dict(), averaged.state_dict(), {}), saved)
atoms.info.update(charge=1, spin=2)
data = AtomicData.from_ase(atoms, task_name="omol", r_data_keys=["charge", "spin"])
np.save(found, model.backbone(atomicdata_list_to_batch([data]))["node_embedding"].detach().numpy())
"""


def test_uma(tmp_path):
    """A checkpoint of mixed experts: scalars and vectors after the last layer, these with their own sign."""
    theirs, file = told("uma", ATOMS + UMA, tmp_path)
    module = find("encoders", "foreign.uma")
    encoder = module.build(module.Config(file=file, dataset="omol", charge=1, spin=2)).double()
    ours = encoder(neighbour_graph(cases.ethanol(), encoder.cutoff)).blocks
    assert torch.allclose(ours[0, 0][:, 0, -4:], theirs[:, 0].double(), atol=1e-5)
    assert float(theirs[:, 1:4].abs().max()) > 1e-2
    assert torch.allclose(ours[1, 0][:, :, -4:], theirs[:, [2, 3, 1]].double(), atol=1e-5)
    with pytest.raises(RuntimeError, match=r"dataset None .encoder.dataset. is none of this network's: omol"):
        module.build(module.Config(file=file))
