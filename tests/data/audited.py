"""Clean datasets for the audit's tests: molecules of four elements, and copper in a simple potential."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from ase.build import bulk, molecule
from ase.calculators.emt import EMT

from atomscape.atoms.ase import from_ase
from atomscape.atoms.structures import Structures

ATOMIC = torch.zeros(119, dtype=torch.float64).index_copy(
    0, torch.tensor([1, 6, 7, 8]), torch.tensor([-13.6, -1030.0, -1485.0, -2042.0]).double()
)


@cache
def molecules(n: int = 60) -> Structures:
    """Rattled molecules of four elements with plausible energies, and forces that cancel."""
    rng = np.random.default_rng(3)
    names = ["H2O", "CH4", "NH3", "CH3OH", "CO2", "CH3CH2OH", "H2CO", "C6H6", "N2H4", "HCN"]
    images = [molecule(names[k % len(names)]) for k in range(n)]
    for image in images:
        image.positions += 0.03 * rng.normal(size=image.positions.shape)
    batch = from_ase(images)
    forces = torch.from_numpy(rng.normal(size=(batch.n_atoms, 3)))
    mean = torch.zeros(n, 3).double().index_add(0, batch.structure, forces) / batch.counts[:, None]
    energy = torch.zeros(n, dtype=torch.float64).index_add(0, batch.structure, ATOMIC[batch.numbers])
    energy += torch.from_numpy(0.3 * rng.normal(size=n)) - 4.0 * batch.counts
    return batch.with_labels(energy=energy, forces=forces - mean[batch.structure])


@cache
def copper() -> Structures:
    """Copper in effective medium theory: a trajectory, strained cells, and a larger cell of moving atoms."""
    rng = np.random.default_rng(5)
    images, ids = [], []
    moving = bulk("Cu", cubic=True) * (2, 2, 1)
    moving.positions += 0.1 * rng.normal(size=moving.positions.shape)
    way = 0.04 * rng.normal(size=moving.positions.shape)
    for k in range(24):
        moving.positions += way + 0.01 * rng.normal(size=way.shape)
        way *= -1 if k % 6 == 5 else 1
        images.append(moving.copy())
        ids.append(f"run/{k:03d}")
    for k in range(24):
        crystal = bulk("Cu", cubic=True)
        strain = np.zeros((3, 3))
        i, j = [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)][k % 6]
        strain[i, j] = strain[j, i] = (0.005 + 0.004 * k) * (-1) ** k * (0.3 if i == j else 0.2)
        crystal.positions += 0.02 * rng.normal(size=crystal.positions.shape)
        crystal.set_cell(crystal.cell.array @ (np.eye(3) + strain), scale_atoms=True)
        images.append(crystal)
        ids.append(f"strained-{k:03d}")
    for image, name in zip(images, ids, strict=True):
        image.calc = EMT()
        image.get_potential_energy()
        image.get_stress()
        image.info["id"] = name
    return from_ase(images)
