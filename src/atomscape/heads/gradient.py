"""Vector per atom as the downhill direction of a learned potential: y_a = −∂U/∂r_a.

    U = s · Σ_atoms f(invariants_a)

An encoder of scalars alone, such as SchNet, has no vectors to read; the derivative of a scalar is one, and
turns as it must. The potential needs no label of its own: forces without energies are learned like this, and
noise of positions, whose best prediction is a force (Zaidi et al. 2022, arXiv:2206.00133, sec. 3.2). As
forces are, y sums to zero over a structure, has no moment where nothing is periodic, and does no work on a
closed path: a vector that is none of that, a dipole of an atom, cannot be learned so. Derivatives of the
potential cost a second pass through the encoder.
"""

from __future__ import annotations

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from atomscape.atoms.components import is_vector
from atomscape.atoms.graph import Graph
from atomscape.atoms.properties import Property
from atomscape.nn.embedding import Embedding
from atomscape.o3.irreps import Irreps
from atomscape.shapes import Float, Tensor


class Config(BaseModel):
    """Hyper-parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hidden: int = Field(64, ge=1)


class GradientHead(nn.Module):
    """Reads the invariants of the embedding; ``scale`` is fitted, and there is no constant.

    ``by_positions`` says that positions have to be a leaf of what the embedding was made of.
    """

    by_positions = True
    references: Float[Tensor, "elements scalars"]
    scale: Float[Tensor, ""]
    shift: Float[Tensor, " scalars"]

    def __init__(self, config: Config, irreps: Irreps, properties: tuple[Property, ...]) -> None:
        super().__init__()
        p = properties[0]
        if len(properties) != 1 or p.per != "atom" or not is_vector(p) or p.irreps != Irreps("1o"):
            raise ValueError(
                "head 'gradient' gives one vector per atom, as forces are; asked for "
                f"{[p.name for p in properties]}"
            )
        self.config, self.provides = config, properties
        features = sum(mul for mul, _ in irreps)
        self.net = nn.Sequential(nn.Linear(features, config.hidden), nn.SiLU(), nn.Linear(config.hidden, 1))
        self.register_buffer("references", torch.zeros(0, 0, dtype=torch.float64))
        self.register_buffer("scale", torch.ones((), dtype=torch.float64))
        self.register_buffer("shift", torch.zeros(0, dtype=torch.float64))

    def forward(self, embedding: Embedding, graph: Graph) -> dict[str, Float[Tensor, "atoms 3"]]:
        """Predict, in float64.

        Raises
        ------
        ValueError
            The positions of the graph are no variable to differentiate by.
        """
        positions = graph.structures.positions
        if not positions.requires_grad:
            raise ValueError(
                "head 'gradient' differentiates by positions; use it in a Model, or give it a graph whose "
                "positions require gradients, and the embedding made of it"
            )
        potential = self.net(embedding.invariants()).double().sum() * self.scale
        (slope,) = torch.autograd.grad(
            potential, positions, create_graph=True, materialize_grads=True, allow_unused=True
        )
        return {self.provides[0].name: -slope.double()}


def build(config: Config, irreps: Irreps, properties: tuple[Property, ...]) -> GradientHead:
    """Make the head for an encoder of these irreps."""
    return GradientHead(config, irreps, properties)
