"""Structures turned at random each time they are drawn: augmentation for networks that are not equivariant.

Positions, cells and every label with a direction (forces, stress, dipoles, tensors of any rank) turn
together, by a rotation drawn uniformly for each structure; with ``reflections`` half of them are mirrored as
well. All labels hold for what structures become, and nothing new can be learned from them.

Training draws other rotations in every epoch. Val and test are turned too, once and for all: the error then
is that in any orientation, and not in the one that the data happen to have, which a network that is not
equivariant knows best. An equivariant network does not see the difference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from atomscape.atoms.properties import Property
from atomscape.atoms.structures import Structures
from atomscape.atoms.transform import rotated
from atomscape.o3.rotation import matrix_from_quaternion


class Config(BaseModel):
    """What is drawn."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reflections: bool = Field(False, description="half of the structures are mirrored, too")


@dataclass(frozen=True)
class Rotations:
    """The augmentation; it works on each structure of a batch alone."""

    config: Config

    @property
    def properties(self) -> dict[str, Property]:
        """What can be learned from it: nothing new."""
        return {}

    def __call__(self, structures: Structures, rng: np.random.Generator) -> Structures:
        """Turn each structure, with its labels."""
        n = len(structures)
        Q = matrix_from_quaternion(torch.from_numpy(rng.standard_normal((n, 4))))
        if self.config.reflections:
            Q = Q * torch.from_numpy(rng.choice([-1.0, 1.0], (n, 1, 1)))
        return rotated(structures, Q)


def build(config: Config) -> Rotations:
    """Make the augmentation."""
    return Rotations(config)
