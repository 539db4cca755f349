"""Morgan fingerprints: D. Rogers, M. Hahn, J. Chem. Inf. Model. 50, 742 (2010), as RDKit makes them.

Each circular neighbourhood of bonds up to ``radius`` sets (or counts in) one of ``bits`` slots. Bonds are
perceived from the geometry; a molecule to which no bond orders fit has a row of NaN: not known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from atomscape.atoms.rdkit import to_rdkit
from atomscape.atoms.representation import Claims, claim, refuse_others
from atomscape.atoms.structures import Structures
from atomscape.shapes import Float, Tensor


class Config(BaseModel):
    """Settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bits: int = Field(2048, ge=8, description="slots")
    radius: int = Field(2, ge=0, description="bonds around each atom")
    counts: bool = Field(True, description="count the neighbourhoods of a slot, or only note them")


@dataclass(frozen=True)
class Morgan:
    """The representation."""

    config: Config

    @property
    def claims(self) -> Claims:
        """Bonds and their orders; conformers and mirror images are alike to it."""
        return Claims(
            claim("rotation", "reflection", "translation", "permutation"),
            claim("composition", "bonding"),
            claim("molecules"),
        )

    def __call__(self, structures: Structures) -> Float[Tensor, "structures features"]:
        """Fingerprints; NaN where no bonds fit."""
        refuse_others(structures, self.claims, "the Morgan fingerprint")
        molecules = to_rdkit(structures)
        from rdkit.Chem import rdFingerprintGenerator

        made = rdFingerprintGenerator.GetMorganGenerator(radius=self.config.radius, fpSize=self.config.bits)
        read = made.GetCountFingerprintAsNumPy if self.config.counts else made.GetFingerprintAsNumPy
        rows = np.full((len(structures), self.config.bits), np.nan)
        for row, molecule in zip(rows, molecules, strict=True):
            if molecule is not None:
                row[:] = read(molecule)
        return torch.from_numpy(rows)


def build(config: Config) -> Morgan:
    """Make the representation."""
    return Morgan(config)
