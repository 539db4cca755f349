"""Elastic constants: the stress that small strains make, with ions relaxed in each.

    C_ij = ∂σ_i / ∂ε_j        Voigt order xx, yy, zz, yz, xz, xy, shears as engineering strains γ = 2ε

Twelve cells, one strain up and one down for each of six, relax in one batch; central differences leave an
error of the square of the strain. The tensor is that of an unstressed crystal, so its cell is relaxed before.
A crystal is stable if C is positive definite (Born; Mouhat and Coudert, Phys. Rev. B 90, 224104 (2014)).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from atomscape.atoms.stresses import from_voigt, to_voigt
from atomscape.atoms.structures import Structures
from atomscape.shapes import Float
from atomscape.simulate.equation_of_state import refuse_no_crystal
from atomscape.simulate.potential import Potential
from atomscape.simulate.relax import relax
from atomscape.units import GPA


@dataclass(frozen=True, eq=False)
class Elastic:
    """The symmetric 6×6 matrix in GPa, and how far the differences were from symmetric (GPa)."""

    C: Float[np.ndarray, "6 6"]
    asymmetry: float

    @property
    def eigenvalues(self) -> Float[np.ndarray, " 6"]:
        """Stiffnesses of the six eigenstrains (GPa), in the norm of a tensor; all positive: stable."""
        root = np.array([1, 1, 1, 2**0.5, 2**0.5, 2**0.5])
        return np.linalg.eigvalsh(self.C * np.outer(root, root))

    @property
    def bulk(self) -> tuple[float, float]:
        """Bulk modulus by Voigt and by Reuss (GPa): bounds of that of a polycrystal."""
        S = np.linalg.inv(self.C)
        return float(self.C[:3, :3].sum() / 9), float(1 / S[:3, :3].sum())

    @property
    def shear(self) -> tuple[float, float]:
        """Shear modulus by Voigt and by Reuss (GPa)."""
        C, S = self.C, np.linalg.inv(self.C)
        trace, rest = np.trace(C[:3, :3]), C[0, 1] + C[0, 2] + C[1, 2]
        voigt = (trace - rest + 3 * np.trace(C[3:, 3:])) / 15
        reuss = 15 / (4 * np.trace(S[:3, :3]) - 4 * (S[0, 1] + S[0, 2] + S[1, 2]) + 3 * np.trace(S[3:, 3:]))
        return float(voigt), float(reuss)

    def as_dict(self) -> dict[str, object]:
        """For JSON; the moduli are Hill's means of both bounds."""
        K, G = (float(np.mean(bounds)) for bounds in (self.bulk, self.shear))
        return {
            "C_gpa": self.C.tolist(),
            "asymmetry_gpa": self.asymmetry,
            "eigenvalues_gpa": self.eigenvalues.tolist(),
            "stable": bool(self.eigenvalues[0] > 0),
            "bulk_modulus_gpa": K,
            "shear_modulus_gpa": G,
            "youngs_modulus_gpa": 9 * K * G / (3 * K + G),
            "poissons_ratio": (3 * K - 2 * G) / (2 * (3 * K + G)),
        }


def elastic_constants(
    potential: Potential,
    structure: Structures,
    strain: float = 0.005,
    fmax: float | None = 0.005,
    steps: int = 300,
) -> Elastic:
    """Elastic constants of a crystal whose cell is relaxed.

    Parameters
    ----------
    strain
        Size of the strains.
    fmax
        Forces (eV/Å) below which ions count as relaxed; None clamps them at their fractions.

    Raises
    ------
    ValueError
        Not one crystal, or the ions of a strained cell do not come to rest.
    """
    refuse_no_crystal(structure, "an elastic tensor")
    voigt = np.concatenate([strain * np.eye(6), -strain * np.eye(6)])
    voigt[:, 3:] /= 2  # γ = 2ε
    cells = strained(structure, from_voigt(voigt))
    done = relax(potential, cells, fmax=fmax or 0.0, steps=steps if fmax else 0)
    if fmax and not bool(done.converged.all()):
        worst = int(done.fmax.argmax())
        raise ValueError(
            f"ions of strain {worst % 6} still feel {float(done.fmax[worst]):.3g} eV/Å after {steps} steps; "
            "allow more, a larger fmax, or clamp the ions (fmax=None)"
        )
    stress = to_voigt(done.structures.labels["stress"].numpy())
    C = (stress[:6] - stress[6:]).T / (2 * strain * GPA)
    return Elastic((C + C.T) / 2, float(np.abs(C - C.T).max() / 2))


def strained(structure: Structures, strains: Float[np.ndarray, "n 3 3"]) -> Structures:
    """The crystal under symmetric strains ε: r → r (1 + ε)."""
    many = Structures.concatenate([structure] * len(strains))
    deform = torch.eye(3, dtype=torch.float64) + torch.from_numpy(strains)
    return replace(
        many,
        positions=torch.einsum("ai,aij->aj", many.positions, deform[many.structure]),
        cell=many.cell @ deform,
    )
