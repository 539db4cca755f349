"""Laws of methods that label structures: labels follow the structure, and forces are slopes of the energy.

Tolerances are absolute, in the unit of each label: integration grids of density functional theory turn with
the frame a little.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from atomscape.atoms.structures import Structures
from atomscape.atoms.transform import permuted, rotated, translated
from atomscape.label.label import label
from atomscape.label.method import Method
from atomscape.o3.rotation import random_rotation

STEP = 2e-3
"""Å, of the differences of energies."""

CHANGES: dict[str, Callable[[Structures, torch.Generator], Structures]] = {
    "rotation": lambda s, draw: rotated(s, random_rotation(1, draw)[0]),
    "reflection": lambda s, draw: rotated(s, -random_rotation(1, draw)[0]),
    "translation": lambda s, draw: translated(s, torch.randn(3, generator=draw, dtype=torch.float64)),
    "permutation": lambda s, draw: permuted(s, torch.arange(s.n_atoms).flip(0)),
}
"""Changes of one structure that its labels follow."""


def check_follows(
    method: Method, change: str, structure: Structures, *, tolerance: float = 2e-4, seed: int = 0
) -> float:
    """Largest difference between labels of the changed structure and changed labels of the structure.

    Raises
    ------
    AssertionError
        It is more than ``tolerance``, or one of the two has no label where the other has.
    """
    before, _ = label(method, structure)
    expected = CHANGES[change](before, torch.Generator().manual_seed(seed))
    found, _ = label(method, replace(expected, labels={}))
    worst = 0.0
    for name in method.provides:
        want, have = expected.labels[name], found.labels[name]
        if not torch.equal(want.isnan(), have.isnan()):
            raise AssertionError(f"{change} law: {name} is known in one frame and not in the other")
        error = float(torch.nan_to_num(have - want).abs().max())
        if not error <= tolerance:
            raise AssertionError(f"{change} law: {name} misses by {error:.1e} > tolerance {tolerance:.0e}")
        worst = max(worst, error)
    return worst


def check_forces(method: Method, structure: Structures, *, tolerance: float = 1e-3) -> float:
    """Largest difference (eV/Å) between forces and central differences of the energy, of the first two atoms.

    Raises
    ------
    AssertionError
        It is more than ``tolerance``.
    """
    forces = label(method, structure)[0].labels["forces"]
    worst = 0.0
    for atom, axis in ((0, 2), (1, 1)):
        energies = []
        for sign in (1, -1):
            moved = structure.positions.clone()
            moved[atom, axis] += sign * STEP
            energies.append(float(label(method, replace(structure, positions=moved))[0].labels["energy"][0]))
        slope = (energies[0] - energies[1]) / (2 * STEP)
        worst = max(worst, abs(slope + float(forces[atom, axis])))
    if not worst <= tolerance:
        raise AssertionError(f"force law: F + dE/dx is {worst:.1e} eV/Å > tolerance {tolerance:.0e}")
    return worst
