"""Partial charges of atoms that add up to the total charge of their structure, exactly.

Each atom has a charge of its own, s · f(invariants) + mean of its element; what the sum lacks of the label
``total_charge`` (0 where it is not known) is handed out, alike or by a softness that is learned
(``nn.partial_charges`` has equations and papers). Labels from a population analysis do add up; where labels
are spins or oxidation states, which need not, take ``atom_scalar``.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from atomscape.atoms.graph import Graph
from atomscape.atoms.properties import Property
from atomscape.nn.embedding import Embedding
from atomscape.nn.partial_charges import PartialCharges, Share, total_charge
from atomscape.nn.species import N_ELEMENTS
from atomscape.o3.irreps import Irreps
from atomscape.shapes import Float, Tensor


class Config(BaseModel):
    """Hyper-parameters; ``reads`` are labels that enter where they are known."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hidden: int = Field(64, ge=1)
    share: Share = Field("hardness", description="how the total charge is handed out to the atoms")
    reads: tuple[Literal["total_charge"], ...] = Field(
        ("total_charge",), description="net charge; taken as 0 where not known, or with an empty list"
    )


class ChargesHead(nn.Module):
    """Reads the invariants; ``references`` (mean per element), ``scale`` and ``shift`` are fitted."""

    references: Float[Tensor, " elements"]
    scale: Float[Tensor, ""]
    shift: Float[Tensor, ""]

    def __init__(self, config: Config, irreps: Irreps, properties: tuple[Property, ...]) -> None:
        super().__init__()
        if len(properties) != 1 or properties[0].per != "atom" or properties[0].unit != "e":
            raise ValueError(
                f"head 'charges' gives charges of atoms, in e; asked for {[p.name for p in properties]}"
            )
        self.config, self.provides = config, properties
        self.charges = PartialCharges(sum(mul for mul, _ in irreps), config.hidden, config.share)
        self.register_buffer("references", torch.zeros(N_ELEMENTS, dtype=torch.float64))
        self.register_buffer("scale", torch.ones((), dtype=torch.float64))
        self.register_buffer("shift", torch.zeros((), dtype=torch.float64))

    def forward(self, embedding: Embedding, graph: Graph) -> dict[str, Float[Tensor, " atoms"]]:
        """Predict, in float64."""
        s = graph.structures
        total, references = total_charge(s, self.config.reads), self.references + self.shift
        q = self.charges(embedding.invariants(), s, total, self.scale, references)
        return {self.provides[0].name: q}


def build(config: Config, irreps: Irreps, properties: tuple[Property, ...]) -> ChargesHead:
    """Make the head for an encoder of these irreps."""
    return ChargesHead(config, irreps, properties)
