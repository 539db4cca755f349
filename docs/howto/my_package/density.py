"""Neighbour density, after Bartók et al. 2013 (arXiv:1209.3140, eq. 21), with learned radial functions.

h[a, lm, c] = δ_l0 S[Z_a, c] + Σ_{b ∈ N(a)} S[Z_b, c] Σ_n W[n, c] B_n(r_ab) Y_lm(r̂_ab)
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from atomscape.atoms.graph import Graph
from atomscape.nn.edges import edges
from atomscape.nn.embedding import Embedding
from atomscape.nn.layout import Layout
from atomscape.nn.species import SpeciesEmbedding
from atomscape.o3.irreps import Irreps
from atomscape.ops.segment import segment_sum


class Config(BaseModel):
    """Hyper-parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    l_max: int = Field(2, ge=0)
    channels: int = Field(32, ge=1)
    cutoff: float = Field(5.0, gt=0, description="Å")
    n_radial: int = Field(8, ge=1, description="Bessel functions")


class NeighbourDensity(nn.Module):
    """The encoder."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config, self.cutoff = config, config.cutoff
        self.layout = Layout(config.l_max)
        self.species = SpeciesEmbedding(config.channels)
        self.mix = nn.Linear(config.n_radial, config.channels, bias=False)

    @property
    def irreps(self) -> Irreps:
        """Content of the embedding."""
        return Irreps([(self.config.channels, key) for key in self.layout.keys])

    def forward(self, graph: Graph, layers: bool = False) -> Embedding:
        """Embed the atoms of a graph."""
        S = self.species(graph.structures.numbers)
        e = edges(graph, self.cutoff, self.config.l_max, self.config.n_radial, S.dtype)
        radial = self.mix(e.radial) * S[e.neighbour]
        h = segment_sum(e.harmonics.unsqueeze(2) * radial.unsqueeze(1), e.centre, graph.n_atoms)
        alone = nn.functional.pad(S.unsqueeze(1), (0, 0, 0, self.layout.lm - 1))
        seen = (Embedding({(0, 1): S.unsqueeze(1)}, "species"), self.layout.embedding(h + alone, "density"))
        return Embedding(seen[-1].blocks, seen[-1].layer, seen if layers else ())


def build(config: Config) -> NeighbourDensity:
    """Make the encoder; weights come from torch's global generator, seeded by the caller."""
    return NeighbourDensity(config)
