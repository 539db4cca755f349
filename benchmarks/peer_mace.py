"""mace-torch as its users have it: optimiser steps of its training, molecular dynamics with its calculator.

Networks are built as ``mace_run_train`` builds them, with random weights, in float32.
"""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
import torch
from ase.io import read
from mace import data, modules, tools
from mace.calculators import MACECalculator
from mace.tools import torch_geometric
from mace.tools.train import take_step
from peer_dynamics import moved


def network(o: dict) -> torch.nn.Module:
    """A network of random weights."""
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float32)
    return modules.ScaleShiftMACE(
        r_max=o["cutoff"],
        num_bessel=8,
        num_polynomial_cutoff=5,
        max_ell=o["l_max"],
        interaction_cls=modules.interaction_classes["RealAgnosticResidualInteractionBlock"],
        interaction_cls_first=modules.interaction_classes["RealAgnosticResidualInteractionBlock"],
        num_interactions=o["layers"],
        num_elements=len(o["elements"]),
        hidden_irreps=modules.blocks.o3.Irreps(
            [(o["channels"], (l, (-1) ** l)) for l in range(o["l_hidden"] + 1)]
        ),
        MLP_irreps=modules.blocks.o3.Irreps("16x0e"),
        gate=torch.nn.functional.silu,
        atomic_energies=np.zeros((1, len(o["elements"]))),
        avg_num_neighbors=o["neighbours"],
        atomic_numbers=o["elements"],
        correlation=o["correlation"],
        radial_MLP=o["radial"],
        radial_type="bessel",
        atomic_inter_scale=o["scale"],
        atomic_inter_shift=0.0,
    )


def training(o: dict):
    """Steps of its trainer, with its loader and its loss."""
    model = network(o)
    keys = data.KeySpecification(
        info_keys={"energy": "REF_energy", "stress": "REF_stress"}, arrays_keys={"forces": "REF_forces"}
    )
    table = tools.AtomicNumberTable(o["elements"])
    atoms = [
        data.AtomicData.from_config(
            data.config_from_atoms(image, key_specification=keys), z_table=table, cutoff=o["cutoff"]
        )
        for image in read(o["frames"], ":")
    ]
    loader = torch_geometric.dataloader.DataLoader(atoms, batch_size=o["batch"], shuffle=True, drop_last=True)
    loss = (
        modules.WeightedEnergyForcesStressLoss(1.0, 100.0, 1.0)
        if o["stress"]
        else modules.WeightedEnergyForcesLoss(1.0, 100.0)
    )
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, amsgrad=True)
    wanted = {"forces": True, "virials": False, "stress": o["stress"]}
    batches = iter(())

    def run(steps: int) -> None:
        nonlocal batches
        for _ in range(steps):
            batch = next(batches, None)
            if batch is None:
                batches = iter(loader)
                batch = next(batches)
            take_step(model, loss, batch, optimiser, None, wanted, 10.0, torch.device("cpu"))

    return run, about(model)


def dynamics(o: dict):
    """Steps of dynamics through its calculator."""
    model = network(o)
    return moved(o, MACECalculator(models=[model], device="cpu", default_dtype="float32")), about(model)


def about(model: torch.nn.Module) -> dict:
    """What is to be told."""
    return {
        "name": f"mace-torch {version('mace-torch')}",
        "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
    }
