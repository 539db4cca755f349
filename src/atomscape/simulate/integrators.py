"""Integrators: one step of Newton's equations, alone or with a thermostat. Times in fs, temperatures in K.

With a = F/m: B is v ← v + a Δt/2, A is r ← r + v Δt/2, O a partial refreshment of velocities:

    VelocityVerlet   B A A B              energy is conserved up to Δt²
    Langevin         B A O A B            O: v ← c v + √((1 − c²) kT/m) ξ,  c = exp(−γ Δt)
    StochasticRescaling                   velocity Verlet, then v ← α v with the α of Bussi, Donadio and
                                          Parrinello (J. Chem. Phys. 126, 014101 (2007), eq. A7)

BAOAB (Leimkuhler and Matthews, Appl. Math. Res. Express 2013, 34) samples positions without error of second
order in a harmonic well; it forgets momenta within 1/γ, so it samples but does not diffuse as the real thing
does. Stochastic rescaling is as exact an ensemble and disturbs the motion as little as possible. What either
puts in is added up, so that a conserved energy can be watched in every ensemble.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
import torch

from atomscape.atoms.structures import Structures
from atomscape.shapes import Float, Tensor
from atomscape.simulate.motion import Motion, kinetic_energy
from atomscape.simulate.noise import KICKS, RESCALING, normal, stream
from atomscape.units import BOLTZMANN

Forces = Callable[[Structures], tuple[Float[Tensor, " structures"], Float[Tensor, "atoms 3"]]]
"""Energy and forces of structures."""


@runtime_checkable
class Integrator(Protocol):
    """A rule for one step."""

    @property
    def dt(self) -> float:
        """Time step in fs."""
        ...

    @property
    def keeps_momentum(self) -> bool:
        """Whether the momentum of a free structure stays."""
        ...

    def step(self, motion: Motion, forces: Forces) -> Motion:
        """One step on; ``forces`` is asked once."""
        ...


@dataclass(frozen=True)
class VelocityVerlet:
    """Constant energy."""

    dt: float = 1.0
    keeps_momentum: bool = True

    def step(self, motion: Motion, forces: Forces) -> Motion:
        """B A A B."""
        return _kicked(_moved(_drifted(_kicked(motion, self.dt / 2), self.dt), forces), self.dt / 2)


@dataclass(frozen=True)
class Langevin:
    """Constant temperature by friction (1/fs) and noise on every atom."""

    temperature: float
    dt: float = 1.0
    friction: float = 0.01
    keeps_momentum: bool = False

    def step(self, motion: Motion, forces: Forces) -> Motion:
        """B A O A B."""
        half = _drifted(_kicked(motion, self.dt / 2), self.dt / 2)
        return _kicked(_moved(_drifted(self._refreshed(half), self.dt / 2), forces), self.dt / 2)

    def _refreshed(self, motion: Motion) -> Motion:
        s, c = motion.structures, math.exp(-self.friction * self.dt)
        xi = normal(motion.seeds, s.counts.tolist(), motion.step, KICKS)
        width = ((1 - c * c) * BOLTZMANN * self.temperature / motion.mass).sqrt().unsqueeze(1)
        return _heated(
            motion, torch.where(motion.fixed.unsqueeze(1), 0.0, c * motion.velocities + width * xi)
        )


@dataclass(frozen=True)
class StochasticRescaling:
    """Constant temperature by one factor on all velocities, with a relaxation time in fs."""

    temperature: float
    dt: float = 1.0
    time: float = 100.0
    keeps_momentum: bool = True

    def step(self, motion: Motion, forces: Forces) -> Motion:
        """Velocity Verlet, then the factor."""
        return self._rescaled(VelocityVerlet(self.dt).step(motion, forces))

    def _rescaled(self, motion: Motion) -> Motion:
        factors = [
            _factor(
                stream(seed, motion.step, RESCALING),
                float(k),
                float(f),
                BOLTZMANN * self.temperature,
                math.exp(-self.dt / self.time),
            )
            for seed, k, f in zip(motion.seeds, motion.kinetic, motion.freedom, strict=True)
        ]
        by_atom = torch.tensor(factors, dtype=torch.float64)[motion.structures.structure]
        return _heated(motion, motion.velocities * by_atom.unsqueeze(1))


def _factor(rng: np.random.Generator, kinetic: float, freedom: float, kT: float, c: float) -> float:
    """α of eq. A7: with N degrees of freedom, R and the N − 1 others of Σ R_i² standard normal numbers."""
    if kinetic <= 0 or freedom < 1:
        return 1.0
    R = float(rng.standard_normal())
    others = float(rng.chisquare(freedom - 1)) if freedom > 1 else 0.0
    share = kT / (2 * kinetic)
    square = c + (1 - c) * share * (others + R * R) + 2 * R * math.sqrt(c * (1 - c) * share)
    sign = R + math.sqrt(c / ((1 - c) * share)) if c < 1 and share > 0 else 1.0
    return math.copysign(math.sqrt(max(square, 0.0)), sign)


def _kicked(motion: Motion, dt: float) -> Motion:
    return replace(motion, velocities=motion.velocities + dt * motion.accelerations())


def _drifted(motion: Motion, dt: float) -> Motion:
    s = motion.structures
    return replace(motion, structures=replace(s, positions=s.positions + dt * motion.velocities))


def _moved(motion: Motion, forces: Forces) -> Motion:
    """The same places with their energy and forces, one step later."""
    energy, f = forces(motion.structures)
    return replace(motion, energy=energy, forces=f, step=motion.step + 1)


def _heated(motion: Motion, velocities: Float[Tensor, "atoms 3"]) -> Motion:
    """Other velocities, and what they cost booked."""
    gain = kinetic_energy(velocities, motion.mass, motion.structures) - motion.kinetic
    return replace(motion, velocities=velocities, given=motion.given + gain)
