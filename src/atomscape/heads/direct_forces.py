"""Forces predicted as such, without an energy whose derivative they are.

    F_a = s · V (g(x_a) ⊙ W h_a)              h vectors (1o) of the embedding, x its invariants
    F_a ← F_a − (1/n) Σ_b F_b                 net_force: zero

One pass forward costs a third of energy and derivative, and an energy drifts when atoms move by such forces
(Bigi, Langer, Ceriotti, ICML 2025, "The dark side of the forces"): so the property is called
non_conservative_forces, as in metatomic, and is learned from labels called forces. Objectives for both train
one encoder in one run. Without an outer field the forces on all atoms of a structure add up to zero; where
atoms are held in place and their labels set to zero they do not, which is ``net_force: free``.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from atomscape.atoms.graph import Graph
from atomscape.atoms.properties import Property
from atomscape.nn.blocks import block_of, channels_of
from atomscape.nn.embedding import Embedding
from atomscape.nn.gated_vector import GatedVector
from atomscape.nn.last_layer import LastLayer
from atomscape.o3.irreps import Irrep, Irreps
from atomscape.ops.segment import segment_mean
from atomscape.shapes import Float, Tensor

VECTOR = Irrep("1o")


class Config(BaseModel):
    """Hyper-parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hidden: int = Field(64, ge=1)
    net_force: Literal["zero", "free"] = Field("zero", description="sum over the atoms of a structure")


class DirectForcesHead(nn.Module):
    """Reads the vectors of the embedding; ``scale`` is fitted to the labels. There is nothing to shift."""

    references: Float[Tensor, " none"]
    scale: Float[Tensor, ""]
    shift: Float[Tensor, " none"]

    def __init__(self, config: Config, irreps: Irreps, properties: tuple[Property, ...]) -> None:
        super().__init__()
        if len(properties) != 1 or not _is_force(properties[0]):
            raise ValueError(
                "head 'direct_forces' gives non_conservative_forces; asked for "
                f"{[p.name for p in properties]}"
            )
        channels = channels_of(VECTOR, irreps)
        if not channels:
            raise ValueError(
                f"head 'direct_forces' reads vectors (1o), and the encoder gives {irreps}. Take one with "
                "features of degree 1, such as tfn, or learn the energy, which any encoder can differentiate"
            )
        self.config, self.provides = config, properties
        self.vectors = GatedVector(channels, sum(mul for mul, _ in irreps), config.hidden)
        self.register_buffer("references", torch.zeros(0, dtype=torch.float64))
        self.register_buffer("scale", torch.ones((), dtype=torch.float64))
        self.register_buffer("shift", torch.zeros(0, dtype=torch.float64))

    def forward(self, embedding: Embedding, graph: Graph) -> dict[str, Float[Tensor, "atoms 3"]]:
        """Predict, in float64."""
        s = graph.structures
        forces = self.vectors(block_of(embedding, VECTOR), embedding.invariants()).double() * self.scale
        if self.config.net_force == "zero":
            forces = forces - segment_mean(forces, s.structure, len(s))[s.structure]
        return {self.provides[0].name: forces}

    def last_layer(self, embedding: Embedding, graph: Graph) -> dict[str, LastLayer]:
        """Gated channels of every atom, less their mean where the forces add up to zero."""
        s = graph.structures
        hidden = self.vectors.hidden(block_of(embedding, VECTOR), embedding.invariants()).double()
        if self.config.net_force == "zero":
            hidden = hidden - segment_mean(hidden, s.structure, len(s))[s.structure]
        weights = self.vectors.outer.weight.double().flatten()
        return {self.provides[0].name: LastLayer(hidden * self.scale, weights)}


def _is_force(p: Property) -> bool:
    return p.per == "atom" and p.shape == (3,) and p.unit == "eV/Å" and p.derivative_of is None


def build(config: Config, irreps: Irreps, properties: tuple[Property, ...]) -> DirectForcesHead:
    """Make the head for an encoder of these irreps."""
    return DirectForcesHead(config, irreps, properties)
