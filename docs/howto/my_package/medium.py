"""Effective medium theory of metals (K. W. Jacobsen, P. Stoltze, J. K. Nørskov, Surf. Sci. 366, 394 (1996)).

It stands for any calculator of ASE: what follows is the same for all of them but for the one that is named.
"""

from __future__ import annotations

from dataclasses import dataclass

import ase
import numpy as np
from ase.calculators.emt import EMT
from pydantic import BaseModel, ConfigDict

from atomscape.atoms.ase import to_ase
from atomscape.atoms.structures import Structures
from atomscape.label.method import NotLabelled


class Config(BaseModel):
    """Settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    asap_cutoff: bool = False


@dataclass(frozen=True)
class EffectiveMedium:
    """The method: energies in eV, forces in eV/Å, as ASE has them too."""

    config: Config
    provides = ("energy", "forces")
    level_of_theory = "effective medium theory"
    citation = "K. W. Jacobsen, P. Stoltze, J. K. Nørskov, Surf. Sci. 366, 394 (1996)"
    made_with = f"ASE {ase.__version__}"

    def __call__(self, structure: Structures) -> dict[str, np.ndarray | float]:
        """Label one structure."""
        atoms = to_ase(structure)[0]
        atoms.calc = EMT(asap_cutoff=self.config.asap_cutoff)
        try:
            return {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
        except NotImplementedError as error:
            raise NotLabelled(str(error)) from error


def build(config: Config) -> EffectiveMedium:
    """Make the method."""
    return EffectiveMedium(config)
