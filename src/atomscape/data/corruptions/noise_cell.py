"""Noise on the cells of crystals: a random strain, to be predicted.

    x' = x (1 + ε),   cell' = cell (1 + ε),   ε symmetric, its six orthonormal components ~ N(0, σ²)

That distribution has no direction: it is the same after any rotation. A turn of the whole is no strain, and
ε symmetric leaves it out. As denoising of positions is learning forces, this is learning stresses. Only
structures that are periodic in three directions are strained; others stay as they are, with their labels.

``strain_noise`` is ε. Labels of the clean crystal are no longer known, but for those in ``keep``. It comes
before noise of positions where both are wanted: ``corrupt: [{kind: noise_cell}, {kind: noise_positions}]``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from atomscape.atoms.properties import PROPERTIES, Property
from atomscape.atoms.structures import Structures
from atomscape.data.holding_labels import holding_labels
from atomscape.data.noise_levels import Level, drawn_levels


class Config(BaseModel):
    """How large the strain is, and in which share of the crystals."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sigma: Level = Field(0.02, description="two numbers: drawn between them, log-uniformly, per structure")
    share: float = Field(1.0, gt=0, le=1, description="share of the crystals that are strained")
    keep: tuple[str, ...] = Field((), description="labels of clean crystals that strained ones keep")


@dataclass(frozen=True)
class NoiseCell:
    """The corruption; it works on each structure of a batch alone."""

    config: Config

    @property
    def properties(self) -> dict[str, Property]:
        """What can be learned from it."""
        return {"strain_noise": PROPERTIES["strain_noise"]}

    def __call__(self, structures: Structures, rng: np.random.Generator) -> Structures:
        """Strain crystals; a label says by how much.

        Raises
        ------
        ValueError
            Positions are noisy already: what their noise was in the unstrained cell would be lost.
        """
        s, c = structures, self.config
        if "position_noise" in s.labels:
            raise ValueError(
                "noise_cell comes before noise_positions: corrupt: [{kind: noise_cell}, …]; after it the "
                "noise of positions would no longer be what its label says"
            )
        chosen = torch.from_numpy(rng.random(len(s)) < c.share) & s.pbc.all(1)
        level = drawn_levels(c.sigma, len(s), rng)
        drawn = torch.from_numpy(rng.standard_normal((len(s), 3, 3))) * level.view(-1, 1, 1)
        strain = torch.where(chosen.view(-1, 1, 1), (drawn + drawn.mT) / 2, 0.0)
        labels = holding_labels(s, chosen, c.keep)
        labels["strain_noise"] = strain.masked_fill(~chosen.view(-1, 1, 1), torch.nan)
        moved = torch.einsum("ai,aij->aj", s.positions, strain[s.structure])
        return replace(s, positions=s.positions + moved, cell=s.cell + s.cell @ strain, labels=labels)


def build(config: Config) -> NoiseCell:
    """Make the corruption."""
    return NoiseCell(config)
