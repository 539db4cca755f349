"""Distances between atoms as a smooth histogram, all elements alike.

h_k = (1/n) Σ_i Σ_j f(r_ij) exp(−(r_ij − μ_k)²/2w²)
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.representation import INVARIANCES, Claims, claim
from atomscape.atoms.structures import Structures
from atomscape.ops.radial import gaussian_basis, lengths, polynomial_cutoff
from atomscape.ops.segment import segment_sum
from atomscape.shapes import Float, Tensor


class Config(BaseModel):
    """Settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cutoff: float = Field(5.0, gt=0, description="Å")
    bins: int = Field(32, ge=2)


@dataclass(frozen=True)
class Distances:
    """The representation."""

    config: Config

    @property
    def claims(self) -> Claims:
        """A function of distances alone."""
        return Claims(frozenset(INVARIANCES), claim("bonding", "geometry"), smooth=True)

    def __call__(self, structures: Structures) -> Float[Tensor, "structures features"]:
        """Histograms, per atom."""
        graph = neighbour_graph(structures, self.config.cutoff)
        r = lengths(graph.vectors.double())
        bins = gaussian_basis(r, self.config.cutoff, self.config.bins)
        counted = bins * polynomial_cutoff(r, self.config.cutoff)[:, None]
        total = segment_sum(counted, structures.structure[graph.centre], len(structures))
        return total / structures.counts.clamp(min=1)[:, None]


def build(config: Config) -> Distances:
    """Make the representation."""
    return Distances(config)
