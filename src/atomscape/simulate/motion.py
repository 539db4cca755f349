"""Motion: structures with velocities, and all that a step of dynamics needs of the step before.

Units: Å, fs, eV. Masses are in eV fs²/Å² inside (a dalton is 103.64 of them), so v in Å/fs gives ½ m v² in
eV and F/m in Å/fs².
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from ase.data import atomic_masses

from atomscape.atoms.structures import Structures
from atomscape.ops.segment import segment_sum
from atomscape.shapes import Bool, Float, Tensor
from atomscape.simulate.noise import VELOCITIES, normal
from atomscape.units import BOLTZMANN, DALTON


@dataclass(frozen=True, eq=False)
class Motion:
    """Structures on their way, after ``step`` steps.

    ``energy`` (eV) and ``forces`` (eV/Å) are those of the positions. ``given`` is what a thermostat has put
    in since the start (eV): energy and kinetic energy less ``given`` is conserved. ``seeds`` are those of
    each structure's noise, ``freedom`` its degrees of freedom.
    """

    structures: Structures
    velocities: Float[Tensor, "atoms 3"]
    energy: Float[Tensor, " structures"]
    forces: Float[Tensor, "atoms 3"]
    mass: Float[Tensor, " atoms"]
    fixed: Bool[Tensor, " atoms"]
    freedom: Float[Tensor, " structures"]
    given: Float[Tensor, " structures"]
    seeds: tuple[int, ...]
    step: int = 0

    @property
    def kinetic(self) -> Float[Tensor, " structures"]:
        """Kinetic energy in eV."""
        s = self.structures
        return kinetic_energy(self.velocities, self.mass, s)

    @property
    def temperature(self) -> Float[Tensor, " structures"]:
        """Kinetic temperature in K; zero where nothing can move."""
        return 2 * self.kinetic / (BOLTZMANN * self.freedom.clamp(min=1))

    @property
    def conserved(self) -> Float[Tensor, " structures"]:
        """Energy in eV that only the finite time step changes."""
        return self.energy + self.kinetic - self.given

    def accelerations(self) -> Float[Tensor, "atoms 3"]:
        """Å/fs²; zero for atoms that are held."""
        return torch.where(self.fixed.unsqueeze(1), 0.0, self.forces / self.mass.unsqueeze(1))


def kinetic_energy(
    velocities: Float[Tensor, "atoms 3"], mass: Float[Tensor, " atoms"], s: Structures
) -> Float[Tensor, " structures"]:
    """½ Σ m v² of each structure (eV)."""
    return segment_sum(0.5 * mass * velocities.square().sum(1), s.structure, len(s))


def resting(
    structures: Structures,
    seeds: Sequence[int],
    *,
    velocities: Float[Tensor, "atoms 3"] | None = None,
    mass: Float[Tensor, " atoms"] | None = None,
    fixed: Bool[Tensor, " atoms"] | None = None,
    keeps_momentum: bool = True,
) -> Motion:
    """Structures before their forces are known, at rest or with velocities (Å/fs) given.

    Parameters
    ----------
    seeds
        One for each structure.
    mass
        In daltons; None: those of the elements.
    keeps_momentum
        Whether the centre of mass is no degree of freedom: nothing kicks it, and nothing is held.

    Raises
    ------
    ValueError
        Another number of seeds than structures.
    """
    if len(seeds) != len(structures):
        raise ValueError(f"{len(seeds)} seeds for {len(structures)} structures; give one each")
    s = structures.to(dtype=torch.float64)
    held = torch.zeros(s.n_atoms, dtype=torch.bool) if fixed is None else fixed
    m = torch.from_numpy(atomic_masses)[s.numbers] if mass is None else mass.double()
    free = segment_sum((~held).double(), s.structure, len(s))
    centre = 3.0 * (free == s.counts).double() if keeps_momentum else torch.zeros_like(free)
    v = torch.zeros_like(s.positions) if velocities is None else velocities.double()
    return Motion(
        s,
        torch.where(held.unsqueeze(1), 0.0, v),
        torch.zeros(len(s), dtype=torch.float64),
        torch.zeros_like(s.positions),
        m * DALTON,
        held,
        3 * free - centre,
        torch.zeros(len(s), dtype=torch.float64),
        tuple(int(seed) for seed in seeds),
    )


def heated(motion: Motion, temperature: float, keeps_momentum: bool = True) -> Motion:
    """The same with velocities drawn from the Maxwell–Boltzmann distribution at a temperature (K).

    The centre of mass is brought to rest where it is no degree of freedom, and the kinetic temperature is
    then exactly the one asked for.
    """
    s, m = motion.structures, motion.mass.unsqueeze(1)
    drawn = normal(motion.seeds, s.counts.tolist(), motion.step, VELOCITIES)
    v = torch.where(motion.fixed.unsqueeze(1), 0.0, drawn * (BOLTZMANN * temperature / m).sqrt())
    if keeps_momentum:
        v = without_drift(v, motion)
    now = replace(motion, velocities=v)
    factor = (temperature / now.temperature.clamp(min=1e-12)).sqrt()
    return replace(motion, velocities=v * factor[s.structure].unsqueeze(1))


def without_drift(v: Float[Tensor, "atoms 3"], motion: Motion) -> Float[Tensor, "atoms 3"]:
    """Velocities less that of the centre of mass, of structures of which no atom is held."""
    s, m = motion.structures, motion.mass.unsqueeze(1)
    total = segment_sum(motion.mass, s.structure, len(s)).unsqueeze(1)
    centre = segment_sum(m * v, s.structure, len(s)) / total
    held = segment_sum(motion.fixed.double(), s.structure, len(s)) > 0
    return v - torch.where(held.unsqueeze(1), 0.0, centre)[s.structure]
