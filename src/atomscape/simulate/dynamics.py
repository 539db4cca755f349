"""Molecular dynamics of batches: steps of an integrator, watched.

    motion = started(potential, structures, VelocityVerlet(dt=1.0), seeds=[0], temperature=300)
    motion = advance(potential, motion, VelocityVerlet(dt=1.0), steps=1000)

Structures of a batch do not touch and share no noise: each moves as it would alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from atomscape.atoms.structures import Structures
from atomscape.shapes import Bool, Float, Tensor
from atomscape.simulate.integrators import Forces, Integrator
from atomscape.simulate.motion import Motion, heated, resting, without_drift
from atomscape.simulate.potential import Potential
from atomscape.simulate.skin import SKIN, NeighbourSkin

LEAP = 1.0
"""Å in one step that no atom of a sound simulation moves."""

Observer = Callable[[Motion], None]


def started(
    potential: Potential,
    structures: Structures,
    integrator: Integrator,
    seeds: Sequence[int],
    *,
    temperature: float | None = None,
    velocities: Float[Tensor, "atoms 3"] | None = None,
    mass: Float[Tensor, " atoms"] | None = None,
    fixed: Bool[Tensor, " atoms"] | None = None,
) -> Motion:
    """Motion before the first step, with its forces.

    Parameters
    ----------
    seeds
        One for each structure: of its first velocities and of its noise.
    temperature
        K, of first velocities that are drawn; None takes ``velocities`` (Å/fs), or rest.
    mass
        In daltons; None: those of the elements.
    fixed
        Atoms that are held.

    Raises
    ------
    ValueError
        Structures that the potential does not know, or not a seed for each.
    """
    potential.check(structures)
    keeps = integrator.keeps_momentum
    motion = resting(structures, seeds, velocities=velocities, mass=mass, fixed=fixed, keeps_momentum=keeps)
    if temperature is not None:
        motion = heated(motion, temperature, keeps)
    elif keeps:
        motion = replace(motion, velocities=without_drift(motion.velocities, motion))
    energy, forces = forces_of(potential, 0.0)(motion.structures)
    return replace(motion, energy=energy, forces=forces)


def forces_of(potential: Potential, skin: float = SKIN) -> Forces:
    """Energy and forces of structures that move, with neighbours that are kept as long as they serve."""
    near = NeighbourSkin(potential.cutoff, skin)

    def forces(s: Structures) -> tuple[Tensor, Tensor]:
        found = potential(near.graph(s), ("forces",))
        return found["energy"].double(), found["forces"].double()

    return forces


def advance(
    potential: Potential,
    motion: Motion,
    integrator: Integrator,
    steps: int,
    *,
    skin: float = SKIN,
    observe: Observer | None = None,
    every: int = 1,
) -> Motion:
    """So many steps on; ``observe`` is called after every step whose number ``every`` divides.

    Raises
    ------
    FloatingPointError
        Forces are no numbers, or an atom flew off.
    """
    forces = forces_of(potential, skin)
    for _ in range(steps):
        motion = integrator.step(motion, forces)
        refuse_explosion(motion, integrator.dt)
        if observe is not None and motion.step % every == 0:
            observe(motion)
    return motion


def refuse_explosion(motion: Motion, dt: float) -> None:
    """Raise ``FloatingPointError`` where a simulation has left what its potential knows."""
    way = motion.velocities.square().sum(1) * dt**2
    if bool(((way < LEAP**2) & motion.forces.isfinite().all(1)).all()):
        return
    worst = torch.where(way.isfinite(), way, torch.inf)
    worst = torch.where(motion.forces.isfinite().all(1), worst, torch.inf)
    atom = int(worst.argmax())
    k = int(motion.structures.structure[atom])
    raise FloatingPointError(
        f"step {motion.step}: atom {atom - int(motion.structures.offsets[k])} of structure {k} moves "
        f"{float(way[atom].sqrt()):.3g} Å in one step of {dt} fs, with a force of "
        f"{float(motion.forces[atom].square().sum().sqrt()):.3g} eV/Å. Either the time step is too long, or "
        "the potential has left what it was trained on: relax the structure first, take a shorter step, look "
        "at the trajectory"
    )
