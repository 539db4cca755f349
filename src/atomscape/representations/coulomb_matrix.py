"""Coulomb matrix of a molecule: M. Rupp, A. Tkatchenko, K.-R. Müller, O. A. von Lilienfeld, PRL 108, 058301.

    M_ii = ½ Z_i^2.4,   M_ij = Z_i Z_j / |r_i − r_j|        (eq. 1; 2012; hartree)

Padded with zeros to the room asked for. Its eigenvalues do not depend on the order of the atoms, but several
molecules may share them. The matrix with its rows sorted by their norms keeps all distances, but where norms
are equal, as of atoms that symmetry makes equivalent, the order of the atoms shows.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from atomscape.atoms.representation import Claims, claim, padded, refuse_others
from atomscape.atoms.structures import Structures
from atomscape.nn.charge_matrix import Form, charge_matrix, read_off
from atomscape.shapes import Float, Tensor


class Config(BaseModel):
    """Settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    atoms: int = Field(32, ge=1, description="room; larger molecules are refused")
    form: Form = Field("eigenvalues", description="how the order of the atoms is taken out")


@dataclass(frozen=True)
class CoulombMatrix:
    """The representation."""

    config: Config

    @property
    def claims(self) -> Claims:
        """A function of charges and distances; only eigenvalues never show the order of the atoms."""
        order = claim("permutation") if self.config.form == "eigenvalues" else claim()
        return Claims(
            order | claim("rotation", "reflection", "translation"),
            claim("composition", "bonding", "geometry"),
            claim("molecules"),
            smooth=self.config.form == "plain",
        )

    def __call__(self, structures: Structures) -> Float[Tensor, "structures features"]:
        """Eigenvalues [atoms] or upper triangles [atoms (atoms + 1) / 2]."""
        refuse_others(structures, self.claims, "the Coulomb matrix")
        room = self.config.atoms
        x, taken = padded(structures.positions.double(), structures, room, "the Coulomb matrix")
        Z, _ = padded(structures.numbers.double(), structures, room, "the Coulomb matrix")
        square = (x[:, :, None] - x[:, None, :]).square().sum(-1)
        return read_off(charge_matrix(Z, square, taken), self.config.form)


def build(config: Config) -> CoulombMatrix:
    """Make the representation."""
    return CoulombMatrix(config)
