"""Dynamics of a structure with a calculator, by ASE's integrator, as the users of peers run them."""

from __future__ import annotations

import numpy as np
from ase import units
from ase.io import read
from ase.md.verlet import VelocityVerlet


def moved(o: dict, calculator):
    """A function that takes so many steps of a femtosecond from velocities at 300 K, drawn once."""
    atoms = read(o["frames"])
    atoms.calc = calculator
    speeds = np.random.default_rng(0).normal(size=(len(atoms), 3))
    atoms.set_momenta(speeds * np.sqrt(300 * units.kB * atoms.get_masses())[:, None])
    motion = VelocityVerlet(atoms, timestep=1.0 * units.fs)
    return lambda steps: motion.run(steps)
