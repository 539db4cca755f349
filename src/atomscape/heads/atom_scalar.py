"""Scalar per atom: y_a = s · f(invariants_a) + reference[element], for instance partial charges."""

from __future__ import annotations

from typing import cast

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from atomscape.atoms.graph import Graph
from atomscape.atoms.properties import Property
from atomscape.nn.embedding import Embedding
from atomscape.nn.last_layer import LastLayer, with_constant
from atomscape.nn.species import N_ELEMENTS
from atomscape.o3.irreps import Irreps
from atomscape.shapes import Float, Tensor


class Config(BaseModel):
    """Hyper-parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hidden: int = Field(64, ge=1)


class AtomScalarHead(nn.Module):
    """Reads the invariants of the embedding; ``references`` (mean per element) and ``scale`` are fitted."""

    references: Float[Tensor, " elements"]
    scale: Float[Tensor, ""]
    shift: Float[Tensor, ""]

    def __init__(self, config: Config, irreps: Irreps, properties: tuple[Property, ...]) -> None:
        super().__init__()
        if any(p.per != "atom" or p.shape for p in properties):
            raise ValueError(
                f"head 'atom_scalar' gives scalars per atom; asked for {[p.name for p in properties]}"
            )
        self.config, self.provides = config, properties
        features = sum(mul for mul, _ in irreps)
        self.net = nn.Sequential(
            nn.Linear(features, config.hidden), nn.SiLU(), nn.Linear(config.hidden, len(properties))
        )
        self.register_buffer("references", torch.zeros(N_ELEMENTS, dtype=torch.float64))
        self.register_buffer("scale", torch.ones((), dtype=torch.float64))
        self.register_buffer("shift", torch.zeros((), dtype=torch.float64))

    def forward(self, embedding: Embedding, graph: Graph) -> dict[str, Float[Tensor, " atoms"]]:
        """Predict, in float64."""
        out = self.net(embedding.invariants()).double() * self.scale + self.shift
        out = out + self.references[graph.structures.numbers].unsqueeze(-1)
        return {p.name: out[:, i] for i, p in enumerate(self.provides)}

    def last_layer(self, embedding: Embedding, graph: Graph) -> dict[str, LastLayer]:
        """Hidden layer of every atom, which all properties of the head share."""
        last = cast(nn.Linear, self.net[2])
        features = (with_constant(self.net[:2](embedding.invariants())) * self.scale).unsqueeze(1)
        weights = torch.cat([last.weight, last.bias.unsqueeze(1)], 1).double()
        return {p.name: LastLayer(features, weights[i]) for i, p in enumerate(self.provides)}


def build(config: Config, irreps: Irreps, properties: tuple[Property, ...]) -> AtomScalarHead:
    """Make the head for an encoder of these irreps."""
    return AtomScalarHead(config, irreps, properties)
