"""Structures as rows that an optimiser moves: atoms in the undeformed cell, and the cell as deformation F.

    x = y Fᵀ,   cell = cell₀ Fᵀ,   rows of a structure: its y, and with a free cell the three rows of c F

with c the number of atoms, which makes a row of F about as stiff as an atom (Tadmor et al., Phys. Rev. B 59,
235 (1999)). Forces on y are f F, those on c F are −(V/c) (σ + p) F⁻ᵀ, with p the outer pressure in eV/Å³.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch

from atomscape.atoms.structures import Structures
from atomscape.shapes import Bool, Float, Int, Tensor
from atomscape.units import GPA

CellFreedom = Literal["fixed", "isotropic", "free"]
"""What of the cell may change: nothing, its size, everything."""


@dataclass(frozen=True, eq=False)
class Deformed:
    """Structures as they were, where their rows stand now, and which atoms are held."""

    first: Structures
    place: Float[Tensor, "rows 3"]
    owner: Int[Tensor, " rows"]
    fixed: Bool[Tensor, " atoms"]
    cell: CellFreedom = "fixed"
    pressure: float = 0.0

    @staticmethod
    def of(
        s: Structures, fixed: Bool[Tensor, " atoms"] | None, cell: CellFreedom, pressure: float
    ) -> Deformed:
        """Rows of structures that are not deformed yet.

        Raises
        ------
        ValueError
            The cell of a structure that is not periodic in all three directions shall change, or there is a
            pressure on cells that are fixed.
        """
        held = torch.zeros(s.n_atoms, dtype=torch.bool) if fixed is None else fixed
        s = s.to(dtype=torch.float64)
        if cell == "fixed" and pressure:
            raise ValueError(
                f"a pressure of {pressure / GPA:.3g} GPa, and the cell is fixed, so it would change nothing; "
                "let the cell change: cell='free' or 'isotropic' (--cell free)"
            )
        if cell == "fixed":
            return Deformed(s, s.positions, s.structure, held)
        open_ = (~s.pbc.all(1)).nonzero().squeeze(1).tolist()
        if open_:
            raise ValueError(
                f"the cell of structure {open_[0]} is to be relaxed, and it is periodic in "
                f"{int(s.pbc[open_[0]].sum())} of 3 directions; relax its atoms alone (cell='fixed')"
            )
        n = len(s)
        F = torch.eye(3, dtype=torch.float64).expand(n, 3, 3) * s.counts.view(-1, 1, 1)
        owner = torch.cat([s.structure, torch.arange(n).repeat_interleave(3)])
        return Deformed(s, torch.cat([s.positions, F.reshape(-1, 3)]), owner, held, cell, pressure)

    @property
    def F(self) -> Float[Tensor, "structures 3 3"]:
        """Deformation of each structure."""
        s = self.first
        if self.cell == "fixed":
            return torch.eye(3, dtype=torch.float64).expand(len(s), 3, 3)
        return self.place[s.n_atoms :].reshape(-1, 3, 3) / s.counts.view(-1, 1, 1)

    @property
    def structures(self) -> Structures:
        """Structures as they are now."""
        s = self.first
        if self.cell == "fixed":
            return replace(s, positions=self.place)
        F = self.F
        x = torch.einsum("aj,aij->ai", self.place[: s.n_atoms], F[s.structure])
        return replace(s, positions=x, cell=s.cell @ F.transpose(1, 2))

    def force(self, found: Mapping[str, Tensor]) -> Float[Tensor, "rows 3"]:
        """Forces on the rows, of those on atoms and the stress; none on what is held."""
        f = self.held_forces(found["forces"])
        if self.cell == "fixed":
            return f
        s, F = self.first, self.F
        f = torch.einsum("ai,aij->aj", f, F[s.structure])
        volume = torch.linalg.det(s.cell @ F.transpose(1, 2)).abs() / s.counts
        pull = -volume.view(-1, 1, 1) * torch.linalg.solve(F, self.excess(found["stress"])).transpose(1, 2)
        return torch.cat([f, pull.reshape(-1, 3)])

    def held_forces(self, forces: Float[Tensor, "atoms 3"]) -> Float[Tensor, "atoms 3"]:
        """Forces on atoms, zero where they are held."""
        return torch.where(self.fixed.unsqueeze(1), 0.0, forces)

    def excess(self, stress: Float[Tensor, "structures 3 3"]) -> Float[Tensor, "structures 3 3"]:
        """σ + p, as far as the cell may follow it (eV/Å³)."""
        one = torch.eye(3, dtype=stress.dtype)
        excess = stress + self.pressure * one
        if self.cell == "isotropic":
            excess = excess.diagonal(dim1=1, dim2=2).mean(1).view(-1, 1, 1) * one
        return excess

    def moved(self, step: Float[Tensor, "rows 3"]) -> Deformed:
        """After a step of the rows."""
        return replace(self, place=self.place + step)

    def kept(self, chosen: Bool[Tensor, " structures"]) -> tuple[Deformed, Bool[Tensor, " rows"]]:
        """Some structures alone, and which rows are theirs."""
        rows = chosen[self.owner]
        atoms = chosen[self.first.structure]
        number = chosen.long().cumsum(0) - 1
        kept = replace(
            self,
            first=self.first[chosen],
            place=self.place[rows],
            owner=number[self.owner[rows]],
            fixed=self.fixed[atoms],
        )
        return kept, rows
