"""Last layer: what a prediction is linear in, the features φ and the weights w that end a head.

    components of a prediction = φ · w + what no weight of the last layer changes

A per-structure property is a sum over atoms, so φ is given atom by atom, divided by their number or weighed
where a head averages: summed over the atoms of a structure it is the φ of that structure. Of a tensor each
component of its irreps has a φ of its own, for the same weights.

With φ and the covariance of φ over the training set the variance of a prediction follows for one product of
matrices (``learn.uncertainty.rigidity``). A head takes part by having the method ``last_layer``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch

from atomscape.atoms.graph import Graph
from atomscape.nn.embedding import Embedding
from atomscape.shapes import Float, Tensor


@dataclass(frozen=True, eq=False)
class LastLayer:
    """Features of each atom's share, in float64 and the unit of the property, and the weights they meet."""

    features: Float[Tensor, "atoms components features"]
    weights: Float[Tensor, " features"]

    @property
    def predictions(self) -> Float[Tensor, "atoms components"]:
        """φ · w of each atom."""
        return self.features @ self.weights


@runtime_checkable
class LinearAtLast(Protocol):
    """A head whose predictions are linear in the weights of its last layer."""

    def last_layer(self, embedding: Embedding, graph: Graph) -> Mapping[str, LastLayer]:
        """Last layer of every property that the head provides."""
        ...


def linear_at_last(head: object) -> LinearAtLast | None:
    """The head, if its predictions are linear in a last layer that it shows; else None."""
    return head if isinstance(head, LinearAtLast) else None


def with_constant(
    hidden: Float[Tensor, "atoms channels"],
) -> Float[Tensor, "atoms features"]:
    """Hidden features and a 1 that meets the bias, in float64."""
    return torch.cat([hidden.double(), hidden.new_ones(len(hidden), 1).double()], 1)
