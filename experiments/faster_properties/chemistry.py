"""Compute the same molecules by quantum chemistry, and fit what is on another scale than the labels."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch

from atomscape.atoms.structures import Structures
from atomscape.label.label import ask
from atomscape.label.method import Method


@dataclass(frozen=True)
class Computed:
    """Labels of a method in eV, NaN where it has none, and the CPU time of each molecule."""

    gap: np.ndarray
    energy: np.ndarray
    seconds: np.ndarray
    others: list[dict[str, np.ndarray]]


def computed(method: Method, molecules: Structures) -> Computed:
    """Ask a method about molecules, one after the other."""
    gaps, energies, taken, others = [], [], [], []
    for one in molecules:
        start = time.process_time()
        answer = ask(method, one)
        taken.append(time.process_time() - start)
        labels = {} if isinstance(answer, str) else dict(answer)
        gaps.append(float(labels.get("gap", np.nan)))
        energies.append(float(labels.get("energy", np.nan)))
        others.append(labels)
    return Computed(np.array(gaps), np.array(energies), np.array(taken), others)


def composition(molecules: Structures, elements: list[int]) -> np.ndarray:
    """Numbers of atoms of each element, [molecules, elements]."""
    counts = torch.zeros(len(molecules), len(elements), dtype=torch.float64)
    one_hot = (molecules.numbers[:, None] == torch.tensor(elements)).double()
    return counts.index_add(0, molecules.structure, one_hot).numpy()


def least_squares(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Coefficients of y ≈ x · c, of the molecules for which both are known."""
    known = np.isfinite(x).all(1) & np.isfinite(y)
    return np.linalg.lstsq(x[known], y[known], rcond=None)[0]


def electronic_energy(structures: Structures) -> torch.Tensor:
    """Energy of the nuclei at rest (eV), which is what a calculation of a given geometry yields."""
    return structures.labels["energy_zero_kelvin"] - structures.labels["zero_point_energy"]


def labels_of(molecules: Structures) -> dict[str, np.ndarray]:
    """What is to be predicted, eV."""
    return {"gap": molecules.labels["gap"].double().numpy(), "energy": electronic_energy(molecules).numpy()}


def one_of_each_size(molecules: Structures, heavy_atoms: list[int], rng: np.random.Generator) -> Structures:
    """A molecule at random of each number of atoms other than hydrogen."""
    heavy = torch.zeros(len(molecules), dtype=torch.int64)
    heavy = heavy.index_add(0, molecules.structure, (molecules.numbers > 1).long()).numpy()
    return molecules[[int(rng.choice(np.flatnonzero(heavy == n))) for n in heavy_atoms]]


def against_labels(molecules: Structures, found: Computed) -> list[dict]:
    """Each molecule: what was computed less the label (energies in meV, dipole in e·Å), and the time."""
    labels, rows = labels_of(molecules), []
    for i, one in enumerate(molecules):
        homo, dipole = found.others[i]["homo"], found.others[i]["dipole"]
        rows.append(
            {
                "id": one.ids[0],
                "formula": one.formulas()[0],
                "atoms": one.n_atoms,
                "gap": found.gap[i],
                "gap_error": 1e3 * (found.gap[i] - labels["gap"][i]),
                "homo_error": 1e3 * (float(homo) - float(one.labels["homo"])),
                "energy_error": 1e3 * (found.energy[i] - labels["energy"][i]),
                "dipole_error": float(np.linalg.norm(dipole)) - float(one.labels["dipole_norm"]),
                "seconds": found.seconds[i],
            }
        )
    return rows
