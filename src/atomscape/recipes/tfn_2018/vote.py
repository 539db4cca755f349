"""The vote of Thomas et al. 2018 (arXiv:1802.08219) on where an atom is missing and which element it is.

Linear in the embedding, every atom a gives a score, a displacement v_a (Å) and a number per element, t_a::

    p = softmax of the scores over the atoms of a structure
    r = Σ p_a (r_a + v_a),     t = Σ p_a t_a                  the guess; its element is the largest of t
    loss = ½ |r − r_missing|² + ½ |t − one-hot of the missing element|²

A mean of places is one place: where two sites are as good the guess lies between them, which is why this head
is a measure to compare with and ``heads.complete`` gives a density.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, field_validator
from torch import nn

from atomscape.atoms.graph import Graph
from atomscape.atoms.properties import Property
from atomscape.atoms.structures import Structures
from atomscape.nn.embedding import Embedding
from atomscape.nn.proposals import Proposals
from atomscape.nn.species import numbers_of
from atomscape.o3.irreps import Irreps
from atomscape.ops.segment import segment_mean, segment_softmax, segment_sum
from atomscape.recipes.tfn_2018.elements import class_table, classes_of
from atomscape.recipes.tfn_2018.network import orthogonal
from atomscape.shapes import Float, Int, Tensor

NEAR = 0.5
"""Å; a guess of the right element that is not farther off is right."""


class Config(BaseModel):
    """Elements that may be missing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    elements: tuple[str, ...] = ("H", "C", "N", "O")

    @field_validator("elements")
    @classmethod
    def _known(cls, elements: tuple[str, ...]) -> tuple[str, ...]:
        numbers_of(elements)
        return elements


class Guess(NamedTuple):
    """What the atoms of each structure agree on."""

    positions: Float[Tensor, "structures 3"]  # Å
    elements: Float[Tensor, "structures elements"]


class VoteHead(nn.Module):
    """Predicts one row per atom: score, displacement (x, y, z), and a number for each element."""

    classes: Int[Tensor, " elements"]
    error_unit = "wrong"

    def __init__(self, config: Config, irreps: Irreps, properties: tuple[Property, ...]) -> None:
        super().__init__()
        if [p.name for p in properties] != ["missing_atoms"]:
            raise ValueError(f"the vote is on missing_atoms; asked for {[p.name for p in properties]}")
        channels = {(ir.l, ir.p): n for n, ir in irreps}
        scalars, vectors = channels.get((0, 1), 0), channels.get((1, -1), channels.get((1, 1), 0))
        if not (scalars and vectors):
            raise ValueError(f"the vote needs scalars and vectors; the encoder gives {irreps}")
        self.config, self.provides = config, properties
        self.numbers = numbers_of(config.elements)
        self.register_buffer("classes", class_table(config.elements), persistent=False)
        self.score = orthogonal(scalars, 1, bias=True)
        self.displacement = orthogonal(vectors, 1)
        self.element = orthogonal(scalars, len(config.elements), bias=True)

    def forward(self, embedding: Embedding, graph: Graph) -> dict[str, Float[Tensor, "atoms columns"]]:
        """Votes of all atoms."""
        s, v = embedding.scalars, embedding.degree(1, -1 if (1, -1) in embedding.blocks else None)
        displacement = self.displacement(v).squeeze(2)[:, [2, 0, 1]]
        return {"missing_atoms": torch.cat([self.score(s), displacement, self.element(s)], 1)}

    def guess(self, prediction: Float[Tensor, "atoms columns"], s: Structures) -> Guess:
        """Count the votes; positions in float64."""
        p = segment_softmax(prediction[:, :1], s.structure, len(s))
        votes = s.positions.double() + prediction[:, 1:4].double()
        return Guess(
            segment_sum(p.double() * votes, s.structure, len(s)),
            segment_sum(p * prediction[:, 4:], s.structure, len(s)),
        )

    def proposals(self, prediction: Float[Tensor, "atoms columns"], graph: Graph, count: int) -> Proposals:
        """The one place with the elements, the likeliest first.

        Trained on squares, t estimates the probability of each element; clipped to [0, 1] it stands for that.
        """
        guess = self.guess(prediction, graph.structures)
        t, order = guess.elements.topk(min(count, len(self.numbers)), dim=1)
        numbers = torch.tensor(self.numbers, device=order.device)[order]
        places = guess.positions.unsqueeze(1).expand(-1, order.shape[1], 3)
        return Proposals(places, numbers, t.clamp(0, 1))

    def losses(
        self, prediction: Float[Tensor, "atoms columns"], graph: Graph
    ) -> Float[Tensor, " structures"]:
        """Loss of each structure (Å² and numbers, added as published); NaN where nothing is missing."""
        places, kinds, known = self._missing(graph.structures)
        guess = self.guess(prediction, graph.structures)
        target = nn.functional.one_hot(kinds, len(self.numbers))
        off = (guess.positions - places).square().sum(1) + (guess.elements - target).square().sum(1)
        return torch.where(known, off / 2, torch.nan)

    def errors(
        self, prediction: Float[Tensor, "atoms columns"], graph: Graph
    ) -> Float[Tensor, " structures"]:
        """1 where the place is off by more than 0.5 Å or the element is another, else 0."""
        places, kinds, known = self._missing(graph.structures)
        guess = self.guess(prediction, graph.structures)
        near = (guess.positions - places).square().sum(1) <= NEAR**2
        right = near & (guess.elements.argmax(1) == kinds)
        return torch.where(known, (~right).double(), torch.nan)

    def example(self, structures: Structures) -> Structures:
        """Label each structure as if an atom were missing at the mean of the others: for laws."""
        s = structures
        x = segment_mean(s.positions, s.structure, len(s)).unsqueeze(1)
        return s.with_labels(missing_positions=x, missing_numbers=torch.full_like(x[..., 0], self.numbers[0]))

    def _missing(self, s: Structures) -> tuple[Tensor, Tensor, Tensor]:
        """Place (Å) and class of what is missing, and where anything is.

        Raises
        ------
        ValueError
            The labels do not say, or more than one atom is missing: a mean of votes has no answer then.
        """
        if "missing_positions" not in s.labels:
            raise ValueError(
                "nothing says which atom is missing; remove one with `corrupt: {kind: remove_atoms}`"
            )
        places, numbers = s.labels["missing_positions"], s.labels["missing_numbers"]
        known = numbers.isfinite()
        if bool((known.sum(1) > 1).any()):
            raise ValueError(
                f"the vote finds one missing atom; here {int(known.sum(1).max())} are: head 'complete' can"
            )
        one = known.any(1)
        number = torch.where(one, numbers.nan_to_num().amax(1), self.numbers[0]).long()
        place = places.double().nan_to_num().sum(1)
        return place, classes_of(number, self.classes), one


def build(config: Config, irreps: Irreps, properties: tuple[Property, ...]) -> VoteHead:
    """Make the head for an encoder of these irreps."""
    return VoteHead(config, irreps, properties)
