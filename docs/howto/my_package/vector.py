"""Vector per structure, summed over atoms, for instance an electric dipole: v = s · Σ_atoms w·h[l=1].

A vector block stands in the order m = −1, 0, 1, that is y, z, x; labels are Cartesian, x, y, z.
"""

from __future__ import annotations

import torch
from pydantic import BaseModel, ConfigDict
from torch import nn

from atomscape.atoms.graph import Graph
from atomscape.atoms.properties import Property
from atomscape.nn.embedding import Embedding
from atomscape.o3.irreps import Irrep, Irreps
from atomscape.ops.segment import segment_sum
from atomscape.shapes import Float, Tensor


class Config(BaseModel):
    """Nothing to choose."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class VectorHead(nn.Module):
    """Reads the vectors of the embedding; ``scale`` is fitted to the labels before training."""

    references: Float[Tensor, " elements"]
    scale: Float[Tensor, ""]
    shift: Float[Tensor, ""]

    def __init__(self, config: Config, irreps: Irreps, properties: tuple[Property, ...]) -> None:
        super().__init__()
        if len(properties) != 1 or properties[0].per != "structure" or properties[0].shape != (3,):
            raise ValueError(
                f"head 'vector' gives one vector per structure; asked for {[p.name for p in properties]}"
            )
        channels = irreps.count(Irrep("1o"))
        if not channels:
            raise ValueError(f"head 'vector' reads vectors (1o); the encoder gives {irreps}")
        self.config, self.provides = config, properties
        self.mix = nn.Linear(channels, 1, bias=False)
        self.register_buffer("references", torch.zeros(119, dtype=torch.float64))
        self.register_buffer("scale", torch.ones((), dtype=torch.float64))
        self.register_buffer("shift", torch.zeros((), dtype=torch.float64))

    def forward(self, embedding: Embedding, graph: Graph) -> dict[str, Float[Tensor, "structures 3"]]:
        """Predict, in float64."""
        y, z, x = self.mix(embedding.degree(1, -1)).squeeze(-1).double().unbind(-1)
        atoms = torch.stack([x, y, z], -1) * self.scale
        structures = graph.structures
        return {self.provides[0].name: segment_sum(atoms, structures.structure, len(structures))}


def build(config: Config, irreps: Irreps, properties: tuple[Property, ...]) -> VectorHead:
    """Make the head for an encoder of these irreps."""
    return VectorHead(config, irreps, properties)
