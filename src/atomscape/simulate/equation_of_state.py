"""Equation of state: energy over volume, and the volume, stiffness and its change that fit it best.

Third order of Birch (Phys. Rev. 71, 809 (1947)), with x = V^(−2/3) a cubic polynomial, so the fit is linear:

    E = E₀ + 9/16 V₀ B₀ [ (η − 1)³ B₀' + (η − 1)² (6 − 4η) ],   η = (V₀/V)^(2/3)
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from atomscape.atoms.structures import Structures
from atomscape.shapes import Float
from atomscape.simulate.potential import Potential
from atomscape.simulate.relax import relax
from atomscape.units import GPA

FREEDOMS = 4


@dataclass(frozen=True, eq=False)
class EquationOfState:
    """Points (Å³ and eV, of the cell given) and the fit: V₀ in Å³, B₀ in eV/Å³, B₀' without unit."""

    volumes: Float[np.ndarray, " points"]
    energies: Float[np.ndarray, " points"]
    energy: float
    volume: float
    bulk_modulus: float
    derivative: float
    atoms: int

    def at(self, volumes: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """The fit in eV."""
        h = (self.volume / volumes) ** (2 / 3) - 1
        bracket = h**3 * self.derivative + h**2 * (2 - 4 * h)
        return self.energy + 9 / 16 * self.volume * self.bulk_modulus * bracket

    @property
    def misfit(self) -> float:
        """Root mean square distance of the points from the fit, eV per atom."""
        return float(np.sqrt(np.mean((self.at(self.volumes) - self.energies) ** 2))) / self.atoms

    def as_dict(self) -> dict[str, object]:
        """For JSON; moduli in GPa."""
        return {
            "energy_ev": self.energy,
            "volume_a3": self.volume,
            "volume_per_atom_a3": self.volume / self.atoms,
            "bulk_modulus_gpa": self.bulk_modulus / GPA,
            "bulk_modulus_derivative": self.derivative,
            "misfit_ev_per_atom": self.misfit,
            "volumes_a3": self.volumes.tolist(),
            "energies_ev": self.energies.tolist(),
        }


def birch_murnaghan(
    volumes: Float[np.ndarray, " points"], energies: Float[np.ndarray, " points"], atoms: int = 1
) -> EquationOfState:
    """Fit points.

    Raises
    ------
    ValueError
        Fewer than five points, or energies without a minimum inside of them.
    """
    if len(volumes) <= FREEDOMS:
        raise ValueError(f"{len(volumes)} volumes; a fit of {FREEDOMS} numbers needs more")
    x, centre = volumes ** (-2 / 3), float(np.mean(volumes) ** (-2 / 3))
    p = np.polynomial.Polynomial.fit(x / centre - 1, energies - energies.min(), 3).convert()
    roots = p.deriv().roots()
    inside = [
        float(r.real)
        for r in roots
        if abs(r.imag) < 1e-12 and p.deriv(2)(r.real) > 0 and x.min() <= (r.real + 1) * centre <= x.max()
    ]
    if not inside:
        low = volumes[np.argmin(energies)]
        raise ValueError(
            f"the energy has no minimum between {volumes.min():.4g} and {volumes.max():.4g} Å³ (lowest at "
            f"{low:.4g}): relax the cell first, or take a wider range"
        )
    u = inside[0]
    v0 = ((u + 1) * centre) ** -1.5
    # derivatives by x, then by V: x' = −2/3 V^(−5/3), x'' = 10/9 V^(−8/3)
    second, third = p.deriv(2)(u) / centre**2, p.deriv(3)(u) / centre**3
    dx, ddx = -2 / 3 * v0 ** (-5 / 3), 10 / 9 * v0 ** (-8 / 3)
    by_v2, by_v3 = second * dx**2, third * dx**3 + 3 * second * dx * ddx
    modulus = v0 * by_v2
    derivative = -1 - v0**2 * by_v3 / modulus
    lowest = float(p(u) + energies.min())
    return EquationOfState(volumes, energies, lowest, float(v0), float(modulus), float(derivative), atoms)


def equation_of_state(
    potential: Potential,
    structure: Structures,
    span: float = 0.06,
    points: int = 11,
    fmax: float | None = 0.01,
) -> EquationOfState:
    """Energies of a crystal at volumes up to ``span`` (a share) smaller and larger, all in one batch.

    Parameters
    ----------
    fmax
        Atoms are relaxed in each cell to forces below this (eV/Å); None leaves them at their fractions.

    Raises
    ------
    ValueError
        Not one crystal, no minimum in the range, or atoms of a cell do not come to rest.
    """
    refuse_no_crystal(structure, "an equation of state")
    cells = scaled(structure, np.linspace(1 - span, 1 + span, points))
    done = relax(potential, cells, fmax=fmax or 0.0, steps=300 if fmax else 0)
    if fmax and not bool(done.converged.all()):
        worst = int(done.fmax.argmax())
        raise ValueError(
            f"atoms at {float(done.structures.volume[worst]):.4g} Å³ still feel "
            f"{float(done.fmax[worst]):.3g} eV/Å after {int(done.steps[worst])} steps; take a narrower "
            "range, or keep them at their fractions: fmax=None (--clamped)"
        )
    energies = done.structures.labels["energy"].double().numpy()
    return birch_murnaghan(done.structures.volume.numpy(), energies, structure.n_atoms)


def scaled(structure: Structures, volumes: Float[np.ndarray, " points"]) -> Structures:
    """The same crystal at other volumes, given as shares of its own."""
    factors = torch.from_numpy(np.cbrt(volumes))
    many = Structures.concatenate([replace(structure, labels=structure.labels)] * len(factors))
    return replace(
        many,
        positions=many.positions * factors[many.structure].unsqueeze(1),
        cell=many.cell * factors.view(-1, 1, 1),
    )


def refuse_no_crystal(structure: Structures, what: str) -> None:
    """Raise ``ValueError`` unless it is one structure, periodic in all three directions."""
    if len(structure) != 1:
        raise ValueError(f"{what} is of one structure; given {len(structure)}")
    if not bool(structure.pbc.all()):
        raise ValueError(
            f"{what} is of a crystal; this structure is periodic in {int(structure.pbc.sum())} of 3 "
            "directions"
        )
