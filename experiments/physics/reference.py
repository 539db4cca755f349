"""Elastic constants of a cubic crystal from strained cells that somebody else has computed.

With F the deformation of the cell at rest and E = (FFᵀ − 1)/2 its strain (Lagrange, in the frame of the
crystal), the energy per volume at rest is a polynomial in E, for a cubic crystal of 1 linear, 3 quadratic
and 6 cubic terms (Brugger, Phys. Rev. 133, A1611 (1964)). Its derivatives by E are the second
Piola–Kirchhoff stresses S = det(F) F⁻¹ᵀ σ F⁻¹ (rows), linear in the ten constants: least squares.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from atomscape.atoms.stresses import to_voigt
from atomscape.atoms.structures import Structures
from atomscape.shapes import Float, Tensor
from atomscape.units import GPA

AT_REST = 5e-3
"""eV/Å that an atom of a perfect strained lattice may feel."""


SHARE = 1e-7
"""Terms that no cell shows are left out: singular values below this share of the largest."""


@dataclass(frozen=True)
class Cubic:
    """What the fit found: length of the cube's edge that has no stress (Å), constants (GPa), misfit (GPa)."""

    edge: float
    c11: float
    c12: float
    c44: float
    misfit: float
    frames: int

    @property
    def bulk(self) -> float:
        """Bulk modulus in GPa."""
        return (self.c11 + 2 * self.c12) / 3


def perfect(s: Structures, atoms: int, cube: int) -> Structures:
    """Cells of so many atoms on whose atoms nothing acts: strained copies of ``cube``³ conventional cells."""
    size = s.labels["forces"].norm(dim=1)
    most = torch.zeros(len(s), dtype=size.dtype).scatter_reduce(0, s.structure, size, "amax")
    volume = s.volume / s.counts
    near = (volume / volume[(s.counts == atoms)].median() - 1).abs() < 0.5
    return s[((most < AT_REST) & (s.counts == atoms) & near).nonzero().squeeze(1)]


def fitted(cells: Float[Tensor, "n 3 3"], stress: Float[Tensor, "n 3 3"], cube: int, largest: float) -> Cubic:
    """Constants of a lattice whose cells are ``cube`` conventional ones in each direction.

    ``largest`` is the strain up to which cells are used. The edge at rest is found by repeating the fit
    until the linear term is gone.
    """
    edge = float(torch.linalg.det(cells).abs().median()) ** (1 / 3) / cube
    for _ in range(12):
        F = cells / (edge * cube)
        E = (F @ F.transpose(1, 2) - torch.eye(3, dtype=F.dtype)) / 2
        kept = E.abs().amax((1, 2)) <= largest
        inverse = torch.linalg.inv(F[kept])
        J = torch.linalg.det(F[kept])[:, None, None]
        S = J * (inverse.transpose(1, 2) @ stress[kept] @ inverse)
        e = torch.from_numpy(to_voigt(E[kept].numpy()) * np.array([1, 1, 1, 2, 2, 2.0]))
        rows, wanted = _slopes(e).numpy(), to_voigt(S.numpy())
        solution = np.linalg.lstsq(rows.reshape(-1, 10), wanted.ravel(), SHARE)[0]
        off = np.sqrt(np.mean((rows @ solution - wanted) ** 2))
        tau, c11, c12, c44 = solution[:4] / GPA
        edge *= 1 - float(tau / (c11 + 2 * c12))
    return Cubic(edge, float(c11), float(c12), float(c44), float(off) / GPA, int(kept.sum()))


def _slopes(e: Float[Tensor, "n 6"]) -> Float[Tensor, "n 6 10"]:
    """Derivatives of the ten polynomials by the six strains."""
    e = e.clone().requires_grad_()
    found = [torch.autograd.grad(term.sum(), e, retain_graph=True)[0] for term in _terms(e)]
    return torch.stack(found, 2)


def _terms(e: Tensor) -> list[Tensor]:
    """Polynomials that the constants τ, C11, C12, C44, C111, C112, C123, C144, C155, C456 multiply."""
    a, b, c, d, f, g = e.unbind(1)
    return [
        a + b + c,
        (a**2 + b**2 + c**2) / 2,
        a * b + b * c + c * a,
        (d**2 + f**2 + g**2) / 2,
        (a**3 + b**3 + c**3) / 6,
        (a**2 * (b + c) + b**2 * (a + c) + c**2 * (a + b)) / 2,
        a * b * c,
        (a * d**2 + b * f**2 + c * g**2) / 2,
        (d**2 * (b + c) + f**2 * (a + c) + g**2 * (a + b)) / 2,
        d * f * g,
    ]
