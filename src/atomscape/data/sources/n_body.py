"""n-body: where will charged or gravitating particles be? Trajectories after the protocol of NRI and EGNN.

Nothing is downloaded. As there: five particles, positions from a normal distribution, speeds of 0.5 in random
directions, charges +1 or −1 at random, steps of 0.001; 3,000 steps pass before the observation, and the
target is 1,000 steps after it. Other than there, forces are softened (ε = 0.1) instead of cut off component
by component, which would depend on the axes, and the integrator is velocity Verlet in float64.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, records
from atomscape.data.particles import advance, energy, forces, pair_strengths
from atomscape.data.source import Part
from atomscape.shapes import Tensor

PARTICLES, SYSTEMS, SEED = 5, 1000, 20240229
BEFORE, AFTER, STEP = 3000, 1000, 0.001
SOFTENING, SPREAD, SPEED = 0.1, 1.0, 0.5
CHUNK = 250
"""Systems advanced together: they stay in the cache."""

SODIUM, CHLORINE, NEON = 11, 17, 10
PARTS = {"train": 600, "val": 200, "test": 200}


def _card(part: str, title: str, what: str, labels: tuple[str, ...]) -> Card:
    return Card(
        name=f"n_body:{part}",
        title=title,
        description=f"{PARTICLES} {what} of unit mass. displacements says where each is 1,000 steps of "
        "0.001 later, velocities how it moves now, energy (potential only) and forces what drives it. "
        "Reduced units stand in the places of Å, fs and eV, and elements only tell kinds of particles. The "
        "forces have a softening of 0.1.",
        licence="CC0-1.0",
        citation="Made by atomscape. Protocol: T. Kipf et al., Neural Relational Inference, "
        "arXiv:1802.04687; V. G. Satorras, E. Hoogeboom, M. Welling, E(n) Equivariant Graph Neural "
        "Networks, arXiv:2102.09844",
        level_of_theory="classical mechanics",
        properties=records("velocities", "displacements", "energy", "forces", *labels),
        generated=True,
        verified="on 40 systems: over 2,000 steps the total energy, of order one, changes by less than "
        "5e-3, and momenta not at all; time reversed, the particles return",
    )


def _inputs(folder: Path) -> list[Path]:
    """The code that makes the trajectories; the folder does not matter."""
    return [Path(__file__)]


def start(charged: bool, systems: int, seed: int = SEED) -> tuple[Tensor, Tensor, Tensor | None]:
    """Positions, velocities [systems, particles, 3] and, if charged, charges [systems, particles]."""
    rng = np.random.default_rng([seed, int(charged)])
    positions = SPREAD * rng.normal(size=(systems, PARTICLES, 3))
    velocities = rng.normal(size=(systems, PARTICLES, 3))
    velocities *= SPEED / np.linalg.norm(velocities, axis=-1, keepdims=True)
    charges = torch.from_numpy(rng.choice([-1.0, 1.0], size=(systems, PARTICLES))) if charged else None
    return torch.from_numpy(positions), torch.from_numpy(velocities), charges


def trajectories(charged: bool, systems: int = SYSTEMS, seed: int = SEED) -> Structures:
    """Particles at the time of observation, with the labels of the set."""
    r, v, charges = start(charged, systems, seed)
    strengths = pair_strengths(charges, r)
    observed, later = [], []
    for state in zip(r.split(CHUNK), v.split(CHUNK), strengths.split(CHUNK), strict=True):
        now = advance(*state, SOFTENING, STEP, BEFORE)
        observed.append(now)
        later.append(advance(*now, state[2], SOFTENING, STEP, AFTER)[0])
    r, v = (torch.cat(x) for x in zip(*observed, strict=True))
    labels = {
        "velocities": v.reshape(-1, 3),
        "displacements": (torch.cat(later) - r).reshape(-1, 3),
        "energy": energy(r, torch.zeros_like(v), strengths, SOFTENING),
        "forces": forces(r, strengths, SOFTENING).reshape(-1, 3),
    }
    numbers = torch.full((systems * PARTICLES,), NEON)
    if charges is not None:
        labels["charges"] = charges.reshape(-1)
        numbers = torch.where(labels["charges"] > 0, SODIUM, CHLORINE)
    return Structures(
        r.reshape(-1, 3),
        numbers,
        torch.zeros(systems, 3, 3, dtype=torch.float64),
        torch.zeros(systems, 3, dtype=torch.bool),
        torch.arange(systems).repeat_interleave(PARTICLES),
        labels,
        tuple(map(str, range(systems))),
    )


def _read(charged: bool, folder: Path) -> Iterator[Structures]:
    yield trajectories(charged)


def _splits(folder: Path) -> Mapping[str, np.ndarray]:
    ends = np.cumsum([0, *PARTS.values()])
    return {name: np.arange(ends[k], ends[k + 1]) for k, name in enumerate(PARTS)}


parts: dict[str, Part] = {
    "charged": Part(
        _card("charged", "Charged particles", "particles of charge +1 (Na) or −1 (Cl)", ("charges",)),
        _inputs,
        partial(_read, True),
        __file__,
        _splits,
    ),
    "gravity": Part(
        _card("gravity", "Gravitating particles", "particles (Ne) that attract one another", ()),
        _inputs,
        partial(_read, False),
        __file__,
        _splits,
    ),
}
