"""nequip as its users have it: optimiser steps with its loss, molecular dynamics with its calculator.

For dynamics the network is compiled by TorchScript, as ``nequip-compile`` does. float32, random weights.
"""

from __future__ import annotations

from importlib.metadata import version

import torch
from ase.data import chemical_symbols
from ase.io import read
from e3nn.util.jit import script
from nequip.data import AtomicDataDict, from_ase
from nequip.data.transforms import ChemicalSpeciesToAtomTypeMapper, NeighborListTransform
from nequip.integrations.ase import NequIPCalculator
from nequip.model import NequIPGNNModel
from nequip.train import EnergyForceLoss, EnergyForceStressLoss
from nequip.utils.global_state import set_global_state
from peer_dynamics import moved

LABELS = {"REF_energy": "total_energy", "REF_forces": "forces", "REF_stress": "stress"}


def network(o: dict) -> torch.nn.Module:
    """A network of random weights."""
    set_global_state()
    return NequIPGNNModel(
        seed=0,
        model_dtype="float32",
        r_max=o["cutoff"],
        type_names=[chemical_symbols[z] for z in o["elements"]],
        num_layers=o["layers"],
        l_max=o["l_max"],
        parity=False,
        num_features=o["channels"],
        radial_mlp_depth=len(o["radial"]),
        radial_mlp_width=o["radial"][0],
        avg_num_neighbors=o["neighbours"],
        per_type_energy_scales=o["scale"],
        per_type_energy_shifts=0.0,
    )


def transforms(o: dict) -> list:
    """Elements to types, and neighbours."""
    names = [chemical_symbols[z] for z in o["elements"]]
    return [ChemicalSpeciesToAtomTypeMapper(model_type_names=names), NeighborListTransform(r_max=o["cutoff"])]


def training(o: dict):
    """Steps of Adam on batches whose neighbours are known."""
    model = network(o)
    types, neighbours = transforms(o)
    images = [from_ase(image, key_mapping=LABELS) for image in read(o["frames"], ":")]
    graphs = [neighbours(types(image)) for image in images]
    terms = ("total_energy", "forces", *(("stress",) if o["stress"] else ()))
    loss = (EnergyForceStressLoss if o["stress"] else EnergyForceLoss)(coeffs=dict.fromkeys(terms, 1.0))
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, amsgrad=True)
    size, count = o["batch"], len(graphs) // o["batch"]
    turn = iter(range(10**9))

    def run(steps: int) -> None:
        for _ in range(steps):
            k = next(turn) % count
            batch = AtomicDataDict.batched_from_list(graphs[k * size : (k + 1) * size])
            optimiser.zero_grad(set_to_none=True)
            value = loss(model(batch), batch)["weighted_sum"]
            value.backward()
            optimiser.step()

    return run, about(model)


def dynamics(o: dict):
    """Steps of dynamics through its calculator."""
    model = network(o).eval()
    told = about(model)
    compiled = script(model)
    return moved(o, NequIPCalculator(compiled, device="cpu", transforms=transforms(o))), told


def about(model: torch.nn.Module) -> dict:
    """What is to be told."""
    return {
        "name": f"nequip {version('nequip')}",
        "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
    }
