"""Coordinates as they stand: atomic numbers, positions and cell in one row, padded with zeros.

Everything is in it, and the frame, the origin and the order of the atoms as well; that is what a network on
coordinates has to learn to ignore. Atoms stand by falling atomic number, equal ones in the order given.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from pydantic import BaseModel, ConfigDict, Field

from atomscape.atoms.representation import SIGHTS, Claims, claim, padded
from atomscape.atoms.structures import Structures
from atomscape.shapes import Float, Tensor


class Config(BaseModel):
    """Settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    atoms: int = Field(32, ge=1, description="room; larger structures are refused")


@dataclass(frozen=True)
class Coordinates:
    """The representation: nine numbers of the cell, then Z, x, y, z (Å) of each atom."""

    config: Config

    @property
    def claims(self) -> Claims:
        """It ignores nothing and sees everything."""
        return Claims(claim(), frozenset(SIGHTS), smooth=True)

    def __call__(self, structures: Structures) -> Float[Tensor, "structures features"]:
        """Rows of 9 + 4·atoms numbers."""
        s = structures
        order = (s.structure * 1000 + 200 - s.numbers).argsort(stable=True)
        atoms = torch.cat([s.numbers[order, None].double(), s.positions[order].double()], dim=1)
        flat, _ = padded(atoms, s, self.config.atoms, "coordinates")
        return torch.cat([s.cell.double().flatten(1), flat.flatten(1)], dim=1)


def build(config: Config) -> Coordinates:
    """Make the representation."""
    return Coordinates(config)
