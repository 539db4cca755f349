"""Composition alone: how much of each element, and statistics of the elements' descriptors.

Weighted mean, minimum, maximum and deviation over the atoms, of each descriptor of the periodic table
(``nn/elements.csv``), as L. Ward et al., npj Comput. Mater. 2, 16028 (2016) do. What a model on these
features reaches, it has not learned from the structure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field

from atomscape.atoms.representation import INVARIANCES, KINDS, Claims, claim
from atomscape.atoms.structures import Structures
from atomscape.nn.species import N_ELEMENTS, element_descriptors
from atomscape.ops.segment import segment_mean, segment_sum
from atomscape.shapes import Float, Tensor


class Config(BaseModel):
    """Settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    amounts: Literal["fractions", "counts"] = Field("fractions", description="of each element")
    descriptors: bool = Field(True, description="mean, min, max, deviation of each")


@dataclass(frozen=True)
class Composition:
    """Amounts of the elements 1 … 118, then the statistics of each descriptor."""

    config: Config

    @property
    def claims(self) -> Claims:
        """Everything but the composition is ignored; counts grow with the cell."""
        kept = set(INVARIANCES) - ({"supercell"} if self.config.amounts == "counts" else set())
        return Claims(frozenset(kept), claim("composition"), frozenset(KINDS))

    def __call__(self, structures: Structures) -> Float[Tensor, "structures features"]:
        """Features of each structure; zeros where it has no atoms."""
        s, n = structures, len(structures)
        one_hot = torch.nn.functional.one_hot(s.numbers, N_ELEMENTS)[:, 1:].double()
        reduce = segment_mean if self.config.amounts == "fractions" else segment_sum
        amounts = reduce(one_hot, s.structure, n)
        if not self.config.descriptors:
            return amounts
        d = element_descriptors().to(s.device)[s.numbers]
        mean = segment_mean(d, s.structure, n)
        deviation = segment_mean((d - mean[s.structure]).square(), s.structure, n).sqrt()
        return torch.cat([amounts, mean, _extreme(d, s, "amin"), _extreme(d, s, "amax"), deviation], dim=1)


def _extreme(d: Tensor, s: Structures, which: str) -> Tensor:
    where = s.structure[:, None].expand_as(d)
    out = d.new_zeros(len(s), d.shape[1])
    return out.scatter_reduce(0, where, d, which, include_self=False)


def build(config: Config) -> Composition:
    """Make the representation."""
    return Composition(config)
