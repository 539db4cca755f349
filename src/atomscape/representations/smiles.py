"""SMILES: a molecule's bonds as a line of text (D. Weininger, J. Chem. Inf. Comput. Sci. 28, 31 (1988)).

Canonical as RDKit writes it, with bonds, charges and stereochemistry perceived from the geometry. The text is
empty where no bond orders fit: not known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from atomscape.atoms.rdkit import to_rdkit
from atomscape.atoms.representation import Claims, claim, refuse_others
from atomscape.atoms.structures import Structures


class Config(BaseModel):
    """Settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    chirality: bool = Field(True, description="write which mirror image it is")
    hydrogens: bool = Field(False, description="write hydrogen atoms too")


@dataclass(frozen=True)
class Smiles:
    """The representation."""

    config: Config

    @property
    def claims(self) -> Claims:
        """Bonds, and centres of chirality if asked for; conformers are alike to it."""
        chiral = self.config.chirality
        return Claims(
            claim("rotation", "translation", "permutation", *(() if chiral else ("reflection",))),
            claim("composition", "bonding", *(("chirality",) if chiral else ())),
            claim("molecules"),
            form="text",
        )

    def __call__(self, structures: Structures) -> np.ndarray:
        """One text per structure."""
        refuse_others(structures, self.claims, "SMILES")
        return np.array([self._text(m) for m in to_rdkit(structures)], dtype=str)

    def _text(self, molecule) -> str:
        from rdkit import Chem

        if molecule is None:
            return ""
        # Read once more without the geometry: what is written is then a function of the bonds alone.
        plain = Chem.MolFromSmiles(Chem.MolToSmiles(molecule, isomericSmiles=self.config.chirality))
        if plain is None:
            return ""
        plain = Chem.AddHs(plain) if self.config.hydrogens else plain
        return Chem.MolToSmiles(plain, isomericSmiles=self.config.chirality)


def build(config: Config) -> Smiles:
    """Make the representation."""
    return Smiles(config)
