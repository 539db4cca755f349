"""Checks of a potential by physics: what has to hold whatever it was trained on, each with its number.

    derivatives   F = −∂E/∂r and σ = (1/V) ∂E/∂ε, by central differences along random directions
    frames        energy and forces of the structure turned, shifted and renumbered
    cutoff        an atom that crosses the cutoff of another: energy and force must fade out, not jump
    pairs         two atoms alone: repulsive when close, and no well deeper than the bonded one inside
    drift         energy that dynamics without a thermostat gains or loses
    volumes       the equation of state has one minimum, near the relaxed volume
    stability     the elastic tensor of the relaxed crystal is positive definite
    members       of an ensemble: how far its members disagree on the structure; no limit, for people to judge

Limits are what a sound potential keeps with room to spare; those of drift and volumes are conventions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from ase.data import chemical_symbols, covalent_radii

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.structures import Structures
from atomscape.shapes import Tensor
from atomscape.simulate.dynamics import advance, started
from atomscape.simulate.elastic import elastic_constants, strained
from atomscape.simulate.ensemble import doubt
from atomscape.simulate.equation_of_state import equation_of_state
from atomscape.simulate.integrators import VelocityVerlet
from atomscape.simulate.potential import Potential
from atomscape.simulate.relax import relax
from atomscape.units import GPA


@dataclass(frozen=True)
class Check:
    """A number beside its limit; ``passed`` is None where the check does not apply, and ``note`` says why."""

    name: str
    what: str
    value: float | None
    unit: str
    limit: float | None
    passed: bool | None
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def below(name: str, what: str, value: float, unit: str, limit: float, note: str = "") -> Check:
    """Passed if the size of the value is below the limit."""
    return Check(name, what, value, unit, limit, bool(abs(value) < limit), note)


def check_derivatives(potential: Potential, s: Structures, seed: int = 0) -> Iterator[Check]:
    """Forces and stress against differences of energies; for potentials in float64."""
    g = torch.Generator().manual_seed(seed)
    crystal = bool(s.pbc.all())
    found = _ask(potential, s, ("forces", "stress") if crystal else ("forces",))
    worst, step = 0.0, 1e-3
    for _ in range(4):
        v = torch.randn(s.n_atoms, 3, generator=g, dtype=torch.float64)
        v = v / v.square().mean().sqrt()
        numeric = _difference(lambda h, v=v: _energy(potential, _shifted(s, h * v)), step)
        exact = -float((found["forces"] * v).sum())
        worst = max(worst, abs(numeric - exact) / max(float(found["forces"].square().sum().sqrt()), 1e-3))
    yield below("derivatives", "F = −∂E/∂r, relative", worst, "", 1e-4)
    if not crystal:
        yield Check("derivatives", "σ = ∂E/∂ε / V", None, "", None, None, "not a crystal: no stress")
        return
    worst, volume = 0.0, float(s.volume[0])
    for _ in range(4):
        e = torch.randn(3, 3, generator=g, dtype=torch.float64)
        e = (e + e.T) / 2 / e.norm()
        numeric = _difference(lambda h, e=e: _energy(potential, strained(s, (h * e)[None].numpy())), 1e-4)
        worst = max(worst, abs(numeric / volume - float((found["stress"][0] * e).sum())))
    yield below("derivatives", "σ = ∂E/∂ε / V", worst / GPA, "GPa", 1e-3)


def check_frames(potential: Potential, s: Structures, seed: int = 0) -> Iterator[Check]:
    """The structure turned, shifted and with its atoms in another order."""
    rng = np.random.default_rng(seed)
    R = torch.from_numpy(np.linalg.qr(rng.normal(size=(3, 3)))[0])
    order = torch.from_numpy(rng.permutation(s.n_atoms))
    labels = {k: v[order] if s.runs_over_atoms(k) else v for k, v in s.labels.items()}
    x = (s.positions @ R.T + 0.7)[order]
    there = replace(s, positions=x, numbers=s.numbers[order], cell=s.cell @ R.T, labels=labels)
    a, b = _ask(potential, s), _ask(potential, there)
    energy = float((a["energy"] - b["energy"]).abs().max()) / s.n_atoms
    forces = float((a["forces"][order] @ R.T - b["forces"]).abs().max())
    yield below("frames", "energy turned and shifted", energy * 1e3, "meV/atom", 0.01)
    yield below("frames", "forces turned and shifted", forces * 1e3, "meV/Å", 1.0)


def check_cutoff(potential: Potential, numbers: list[int]) -> Iterator[Check]:
    """Pairs of every two elements, a thousandth of an Å inside of the cutoff and outside."""
    worst_e = worst_f = 0.0
    for pair in pairs_of(numbers):
        s = dimers(*pair, potential.cutoff + np.array([-1e-3, 1e-3]))
        found = _ask(potential, s)
        worst_e = max(worst_e, abs(float(found["energy"][0] - found["energy"][1])))
        worst_f = max(worst_f, float((found["forces"][0] - found["forces"][2]).abs().max()))
    yield below("cutoff", "energy across the cutoff", worst_e * 1e3, "meV", 0.01)
    yield below("cutoff", "force across the cutoff", worst_f * 1e3, "meV/Å", 1.0)


@dataclass(frozen=True, eq=False)
class PairCurve:
    """Energy (eV, less that of the atoms apart) of two atoms over their distance (Å)."""

    name: str
    distances: np.ndarray
    energies: np.ndarray
    touching: float


def pair_curves(potential: Potential, numbers: list[int], points: int = 120) -> list[PairCurve]:
    """Dissociation curves of every two elements, from half the sum of covalent radii to beyond the cutoff."""
    curves = []
    for a, b in pairs_of(numbers):
        touching = float(covalent_radii[a] + covalent_radii[b])
        r = np.linspace(0.5 * touching, potential.cutoff + 0.3, points)
        energy = _ask(potential, dimers(a, b, r), ())["energy"].double().numpy()
        name = f"{chemical_symbols[a]}–{chemical_symbols[b]}"
        curves.append(PairCurve(name, r, energy - energy[-1], touching))
    return curves


def check_pairs(curves: list[PairCurve]) -> Iterator[Check]:
    """Closer than 0.7 of touching, the energy must rise as atoms approach, and be positive at the closest."""
    for c in curves:
        close = c.distances < 0.7 * c.touching
        rising = bool((np.diff(c.energies[close]) < 0).all())
        above = bool(c.energies[0] > max(0.0, float(c.energies.min())))
        well = float(c.distances[np.argmin(c.energies)])
        note = f"lowest at {well:.2f} Å, {float(c.energies.min()):.3g} eV"
        first = float(c.energies[0])
        yield Check("pairs", f"{c.name} repels when close", first, "eV", 0.0, rising and above, note)


def check_drift(
    potential: Potential,
    s: Structures,
    temperature: float = 300.0,
    dt: float = 1.0,
    steps: int = 500,
    seed: int = 0,
    progress: Callable[[], None] | None = None,
) -> tuple[list[Check], np.ndarray]:
    """Dynamics at constant energy: slope and scatter of the energy, and the energies themselves (eV/atom)."""
    seen: list[float] = []

    def watch(motion) -> None:
        seen.append(float(motion.conserved[0]) / s.n_atoms)
        if progress is not None:
            progress()

    rule = VelocityVerlet(dt)
    what = f"{steps * dt / 1000:g} ps at {temperature:g} K, {dt:g} fs a step"
    try:
        motion = started(potential, s, rule, [seed], temperature=temperature)
        advance(potential, motion, rule, steps, observe=watch)
    except FloatingPointError as error:
        why = str(error).partition(".")[0]
        return [Check("drift", what, None, "meV/atom/ps", 1.0, False, why)], np.array(seen)
    energies = np.array(seen)
    time = dt / 1000 * np.arange(1, len(energies) + 1)
    slope, start = np.polyfit(time, energies, 1)
    scatter = float(np.std(energies - slope * time - start))
    return [
        below("drift", what, 1e3 * float(slope), "meV/atom/ps", 1.0),
        below("drift", "scatter of the energy", 1e3 * scatter, "meV/atom", 1.0),
    ], energies


def check_crystal(potential: Potential, s: Structures) -> Iterator[Check]:
    """Relaxed crystal: volumes and elastic stability. Yields why not where there is none."""
    if not bool(s.pbc.all()):
        yield Check("volumes", "equation of state", None, "", None, None, "not a crystal")
        return
    done = relax(potential, s, cell="free", fmax=0.02, smax=2e-4, steps=300)
    change = 100 * (float(done.structures.volume[0]) / float(s.volume[0]) - 1)
    yield Check(
        "volumes",
        "volume of the relaxed cell",
        change,
        "%",
        10.0,
        bool(done.converged[0]) and abs(change) < 10,
        "" if bool(done.converged[0]) else f"not at rest after 300 steps: {float(done.fmax[0]):.2g} eV/Å",
    )
    if not bool(done.converged[0]):
        return
    rest = done.structures
    try:
        eos = equation_of_state(potential, rest)
        yield below(
            "volumes",
            "misfit of Birch–Murnaghan",
            1e3 * eos.misfit,
            "meV/atom",
            1.0,
            f"B₀ = {eos.bulk_modulus / GPA:.1f} GPa, V₀ = {eos.volume / s.n_atoms:.2f} Å³/atom",
        )
    except ValueError as error:
        yield Check("volumes", "misfit of Birch–Murnaghan", None, "meV/atom", 1.0, False, str(error))
    try:
        elastic = elastic_constants(potential, rest)
        lowest = float(elastic.eigenvalues[0])
        yield Check("stability", "lowest elastic eigenvalue", lowest, "GPa", 0.0, lowest > 0)
    except ValueError as error:
        yield Check("stability", "lowest elastic eigenvalue", None, "GPa", 0.0, False, str(error))


def check_members(potential: Potential, s: Structures) -> Iterator[Check]:
    """The spread of an ensemble on the structure as given; nothing of a single model."""
    found = doubt(potential, s)
    if found is not None:
        energy = 1e3 * float(found.energy[0]) / s.n_atoms
        yield Check("members", "σ of the energy", energy, "meV/atom", None, None)
        yield Check("members", "largest σ of a force", 1e3 * float(found.force[0]), "meV/Å", None, None)


def pairs_of(numbers: list[int]) -> list[tuple[int, int]]:
    """Every two elements, each with itself too."""
    z = sorted(set(numbers))
    return [(a, b) for k, a in enumerate(z) for b in z[k:]]


def dimers(a: int, b: int, distances: np.ndarray) -> Structures:
    """Two atoms at each distance, alone."""
    n = len(distances)
    x = torch.zeros(n, 2, 3, dtype=torch.float64)
    x[:, 1] = torch.from_numpy(np.asarray(distances))[:, None] * torch.tensor([0.36, 0.48, 0.8]).double()
    return Structures(
        x.reshape(-1, 3),
        torch.tensor([a, b]).repeat(n),
        torch.zeros(n, 3, 3, dtype=torch.float64),
        torch.zeros(n, 3, dtype=torch.bool),
        torch.arange(n).repeat_interleave(2),
    )


def _ask(potential: Potential, s: Structures, wanted: tuple[str, ...] = ("forces",)) -> dict[str, Tensor]:
    found = potential(neighbour_graph(s, potential.cutoff), wanted)
    return {k: v.double() for k, v in found.items() if k in ("energy", *wanted)}


def _energy(potential: Potential, s: Structures) -> float:
    return float(_ask(potential, s, ())["energy"].sum())


def _shifted(s: Structures, by: Tensor) -> Structures:
    return replace(s, positions=s.positions + by)


def _difference(energy: Callable[[float], float], h: float) -> float:
    """Fourth-order central difference at 0."""
    near, far = energy(h) - energy(-h), energy(2 * h) - energy(-2 * h)
    return (8 * near - far) / (12 * h)
