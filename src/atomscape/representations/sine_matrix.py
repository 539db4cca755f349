"""Sine matrix of a crystal: F. Faber, A. Lindmaa, O. A. von Lilienfeld, R. Armiento, IJQC 115, 1094 (2015).

    M_ii = ½ Z_i^2.4,   M_ij = Z_i Z_j / |Σ_k a_k sin²(π f_k)|,   f = fractional coordinates of r_i − r_j

As the Coulomb matrix, with a distance that is periodic in the lattice vectors a_k (eq. 24 there). Another
choice of lattice vectors for the same crystal changes it, and so does a supercell.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from pydantic import BaseModel, ConfigDict, Field

from atomscape.atoms.representation import Claims, claim, padded, refuse_others
from atomscape.atoms.structures import Structures
from atomscape.nn.charge_matrix import Form, charge_matrix, read_off
from atomscape.shapes import Float, Tensor


class Config(BaseModel):
    """Settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    atoms: int = Field(32, ge=1, description="room; larger cells are refused")
    form: Form = Field("eigenvalues", description="how the order of the atoms is taken out")


@dataclass(frozen=True)
class SineMatrix:
    """The representation."""

    config: Config

    @property
    def claims(self) -> Claims:
        """As the Coulomb matrix, and atoms may be moved by lattice vectors."""
        order = claim("permutation") if self.config.form == "eigenvalues" else claim()
        return Claims(
            order | claim("rotation", "reflection", "translation", "lattice translation"),
            claim("composition", "bonding", "geometry"),
            claim("crystals"),
            smooth=self.config.form == "plain",
        )

    def __call__(self, structures: Structures) -> Float[Tensor, "structures features"]:
        """Eigenvalues [atoms] or upper triangles [atoms (atoms + 1) / 2]."""
        refuse_others(structures, self.claims, "the sine matrix")
        room, s = self.config.atoms, structures
        x, taken = padded(s.positions.double(), s, room, "the sine matrix")
        Z, _ = padded(s.numbers.double(), s, room, "the sine matrix")
        cell = s.cell.double()
        fractional = torch.einsum("sij,sjk->sik", x, torch.linalg.inv(cell))
        sines = (torch.pi * (fractional[:, :, None] - fractional[:, None, :])).sin().square()
        square = torch.einsum("sijk,skc->sijc", sines, cell).square().sum(-1)
        return read_off(charge_matrix(Z, square, taken), self.config.form)


def build(config: Config) -> SineMatrix:
    """Make the representation."""
    return SineMatrix(config)
