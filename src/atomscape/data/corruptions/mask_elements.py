"""Hidden elements, to be told from what surrounds them, as words are in BERT (Devlin et al. 2018,
arXiv:1810.04805, sec. 3.1; for molecules Hu et al. 2019, arXiv:1905.12265, sec. 3.1.2).

Atoms are chosen at random, at least one of each structure. Of those a share is given the atomic number 0,
which no element has and whose row of a network's table so becomes that of a hidden element; a share gets the
element of another atom of the structure; the rest stay as they are, and are asked about all the same. So a
network cannot rely on what it is shown, and elements that it is shown stay in its domain.

``masked_element`` is the atomic number of each chosen atom, NaN for the others. Other labels are no longer
known, but for those in ``keep``: what a network says of a structure without elements is of no structure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from atomscape.atoms.properties import PROPERTIES, Property
from atomscape.atoms.structures import Structures
from atomscape.data.holding_labels import holding_labels
from atomscape.shapes import Bool, Tensor

HIDDEN = 0
"""The atomic number of an atom whose element is hidden."""


class Config(BaseModel):
    """How many atoms are asked about, and what is shown of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    atoms: float = Field(0.15, gt=0, le=1, description="share of the atoms that are asked about")
    hidden: float = Field(0.8, ge=0, le=1, description="share of those that are shown as no element")
    exchanged: float = Field(0.1, ge=0, le=1, description="share of those shown as another atom's element")
    share: float = Field(1.0, gt=0, le=1, description="share of the structures in which atoms are hidden")
    keep: tuple[str, ...] = Field((), description="labels that structures with hidden elements keep")


@dataclass(frozen=True)
class MaskElements:
    """The corruption; it works on each structure of a batch alone."""

    config: Config

    @property
    def properties(self) -> dict[str, Property]:
        """What can be learned from it."""
        return {"masked_element": PROPERTIES["masked_element"]}

    def __call__(self, structures: Structures, rng: np.random.Generator) -> Structures:
        """Hide elements; a label says which."""
        s, c = structures, self.config
        chosen = torch.from_numpy(rng.random(len(s)) < c.share)
        asked = _asked(s, c.atoms, rng) & chosen[s.structure]
        fate = torch.from_numpy(rng.random(s.n_atoms))
        partner = s.offsets[:-1][s.structure] + torch.from_numpy(
            (rng.random(s.n_atoms) * s.counts.numpy()[s.structure.numpy()]).astype(np.int64)
        )
        shown = torch.where(fate < c.hidden + c.exchanged, s.numbers[partner], s.numbers)
        shown = torch.where(fate < c.hidden, HIDDEN, shown)
        labels = holding_labels(s, chosen, c.keep)
        labels["masked_element"] = torch.where(asked, s.numbers.to(s.positions.dtype), torch.nan)
        return replace(s, numbers=torch.where(asked, shown, s.numbers), labels=labels)


def _asked(s: Structures, share: float, rng: np.random.Generator) -> Bool[Tensor, " atoms"]:
    """Each atom with that probability, and in any case the one of its structure that was nearest to it."""
    key = rng.random(s.n_atoms)
    order = np.lexsort((key, s.structure.numpy()))
    first = order[s.offsets.numpy()[:-1][s.counts.numpy() > 0]]
    asked = key < share
    asked[first] = True
    return torch.from_numpy(asked)


def build(config: Config) -> MaskElements:
    """Make the corruption.

    Raises
    ------
    ValueError
        Hidden and exchanged atoms are more than all.
    """
    if config.hidden + config.exchanged > 1:
        raise ValueError(
            f"mask_elements: of the atoms asked about {config.hidden:g} are hidden and {config.exchanged:g} "
            "exchanged; together that is more than all"
        )
    return MaskElements(config)
