"""Vacancies: an atom is missing in a supercell of a crystal, or in its cell as it is.

In a cell as it is every image of the atom is gone too, so a whole sublattice is: a *missing site*, of which
nothing like it is left where the crystal has only one such site. In a supercell one atom of many alike is
gone: a *vacancy* proper. ``share`` says how many structures are repeated before an atom of theirs goes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from atomscape.atoms.properties import Property
from atomscape.atoms.structures import Structures
from atomscape.atoms.transform import repeated, repeats_for
from atomscape.data.corruptions import remove_atoms
from atomscape.shapes import Int, Tensor


class Config(BaseModel):
    """How large supercells are, and in which share of the structures the atom is missing from one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: float = Field(8.0, gt=0, description="Å; opposite faces of a supercell are at least so far apart")
    share: float = Field(1.0, ge=0, le=1, description="share of structures that are repeated")
    most: int = Field(128, ge=1, description="atoms; a structure stays as it is where a supercell has more")


@dataclass(frozen=True)
class Vacancies:
    """The corruption; it works on each structure of a batch alone."""

    config: Config

    @property
    def properties(self) -> dict[str, Property]:
        """What can be learned from it."""
        return self._remove.properties

    @property
    def _remove(self) -> remove_atoms.RemoveAtoms:
        return remove_atoms.build(remove_atoms.Config())

    def __call__(self, structures: Structures, rng: np.random.Generator) -> Structures:
        """Repeat some of the structures, then remove one atom of each; at least one always stays."""
        chosen = torch.from_numpy(rng.random(len(structures)) < self.config.share)
        times = torch.where(chosen.unsqueeze(1), supercells(structures, self.config), 1)
        return self._remove(repeated(structures, times)[0], rng)


def supercells(structures: Structures, config: Config) -> Int[Tensor, "structures 3"]:
    """How often each cell is repeated along each direction; once where that makes too many atoms."""
    times = repeats_for(structures, config.width)
    fits = structures.counts * times.prod(1) <= config.most
    return torch.where(fits.unsqueeze(1), times, 1)


def build(config: Config) -> Vacancies:
    """Make the corruption."""
    return Vacancies(config)
