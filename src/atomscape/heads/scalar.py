"""Scalar per structure: extensive (a sum over atoms and reference energies) or intensive (a mean over atoms).

With f a network on the invariants of each atom::

    extensive   y = Σ_atoms (s · f + E0[element])
    intensive   y = s · Σ_atoms a · f + b,      Σ a = 1 over the atoms of a structure, mean of E0 added

``a`` is 1/n for the mean. With ``pooling: attention`` it is a softmax of further outputs, so that the atoms
that decide an intensive property can weigh more; the sum of several such averages lets different atoms decide
its parts, as those of the highest occupied and the lowest unoccupied orbital do for a gap.

``hidden: 0`` makes f linear. Encoders whose invariants are products of neighbours, mace above all, need no
more, and a network on top bends where there are no data: of potentials of 3BPA learned at 300 K, forces at
1200 K were half as wrong with a linear f.
"""

from __future__ import annotations

from typing import Literal, cast

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from atomscape.atoms.graph import Graph
from atomscape.atoms.properties import Property
from atomscape.nn.embedding import Embedding
from atomscape.nn.last_layer import LastLayer, with_constant
from atomscape.nn.species import N_ELEMENTS
from atomscape.o3.irreps import Irreps
from atomscape.ops.segment import segment_mean, segment_softmax, segment_sum
from atomscape.shapes import Float, Tensor


class Config(BaseModel):
    """Hyper-parameters; ``pooling`` left open follows the property: sum if extensive, else mean."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hidden: int = Field(64, ge=0, description="width of the hidden layer; 0: linear in the invariants")
    pooling: Literal["sum", "mean", "attention"] | None = None
    averages: int = Field(4, ge=1, description="attention-weighted averages that are summed")


class ScalarHead(nn.Module):
    """Reads the invariants of the embedding; ``references``, ``scale``, ``shift`` are fitted, not trained."""

    references: Float[Tensor, " elements"]
    scale: Float[Tensor, ""]
    shift: Float[Tensor, ""]

    def __init__(self, config: Config, irreps: Irreps, properties: tuple[Property, ...]) -> None:
        super().__init__()
        if len(properties) != 1 or properties[0].per != "structure" or properties[0].shape:
            raise ValueError(
                f"head 'scalar' gives one scalar per structure; asked for {[p.name for p in properties]}"
            )
        self.config, self.provides = config, properties
        self.pooling = config.pooling or ("sum" if properties[0].extensive else "mean")
        features = sum(mul for mul, _ in irreps)
        outputs = 2 * config.averages if self.pooling == "attention" else 1
        layers = [nn.Linear(features, config.hidden), nn.SiLU()] if config.hidden else []
        self.net = nn.Sequential(*layers, nn.Linear(config.hidden or features, outputs))
        self.register_buffer("references", torch.zeros(N_ELEMENTS, dtype=torch.float64))
        self.register_buffer("scale", torch.ones((), dtype=torch.float64))
        self.register_buffer("shift", torch.zeros((), dtype=torch.float64))

    def forward(self, embedding: Embedding, graph: Graph) -> dict[str, Float[Tensor, " structures"]]:
        """Predict; sums run in float64."""
        index, n = graph.structures.structure, graph.structures.n_structures
        out = self.net(embedding.invariants()).double()
        references = self.references[graph.structures.numbers]
        if self.pooling == "sum":
            value = segment_sum(out[:, 0] * self.scale + references, index, n)
        elif self.pooling == "mean":
            value = segment_mean(out[:, 0] * self.scale + references, index, n)
        else:
            values, scores = out.chunk(2, dim=1)
            weighted = segment_softmax(scores, index, n) * values
            value = segment_sum(weighted, index, n).sum(1) * self.scale
            value = value + segment_mean(references, index, n)
        return {self.provides[0].name: value if self.provides[0].extensive else value + self.shift}

    def last_layer(self, embedding: Embedding, graph: Graph) -> dict[str, LastLayer]:
        """What the last layer reads of every atom, weighed as it is pooled; once for each average."""
        index, n = graph.structures.structure, len(graph.structures)
        hidden, last = self.net[:-1](embedding.invariants()), cast(nn.Linear, self.net[-1])
        features = with_constant(hidden) * self.scale
        values = 1 if self.pooling != "attention" else self.config.averages
        weights = torch.cat([last.weight, last.bias.unsqueeze(1)], 1)[:values].double().flatten()
        if self.pooling == "mean":
            features = features / graph.structures.counts[index].unsqueeze(1)
        if self.pooling == "attention":
            share = segment_softmax(last(hidden).double()[:, values:], index, n)
            features = (share.unsqueeze(2) * features.unsqueeze(1)).flatten(1)
        return {self.provides[0].name: LastLayer(features.unsqueeze(1), weights)}


def build(config: Config, irreps: Irreps, properties: tuple[Property, ...]) -> ScalarHead:
    """Make the head for an encoder of these irreps."""
    return ScalarHead(config, irreps, properties)
