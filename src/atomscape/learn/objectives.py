"""Objectives: losses over known labels. A label that is NaN contributes nothing, to value and gradient.

Errors are divided by the property's scale on the training set before they enter a loss, so the weights of a
run compare properties, not units. Errors of extensive properties are taken per atom. A head may bring a loss
of its own, one number per structure, where its output is not compared number by number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch

from atomscape.atoms.graph import Graph
from atomscape.atoms.properties import Property
from atomscape.atoms.structures import Structures
from atomscape.shapes import Bool, Float, Int, Tensor

LOSSES = {
    "mae": torch.abs,
    "mse": torch.square,
    "huber": lambda e: torch.nn.functional.huber_loss(e, torch.zeros_like(e), reduction="none"),
}


@runtime_checkable
class OwnLoss(Protocol):
    """A head whose output is judged by the head itself: classes, densities."""

    error_unit: str

    def example(self, structures: Structures) -> Structures:
        """Structures labelled as the loss reads it, by a rule that turns with the structures: for laws."""
        ...

    def losses(self, prediction: Tensor, graph: Graph) -> Float[Tensor, " structures"]:
        """Loss of each structure; NaN where the labels say nothing."""
        ...

    def errors(self, prediction: Tensor, graph: Graph) -> Float[Tensor, " structures"]:
        """What metrics report of each structure, in ``error_unit``; NaN where the labels say nothing."""
        ...


@runtime_checkable
class Guess(Protocol):
    """A head that says what is best predicted of rows of which nothing is known: a baseline."""

    def guess(self, labels: Tensor) -> Tensor:
        """One row of its output, from the labels of rows where they are known."""
        ...


@runtime_checkable
class ByPositions(Protocol):
    """A head that differentiates by the positions that the embedding was made of."""

    by_positions: bool


def own_loss(head: object) -> OwnLoss | None:
    """The head, if it brings a loss of its own; else None."""
    return head if isinstance(head, OwnLoss) else None


@dataclass(frozen=True)
class Term:
    """One row of the loss: a property on one dataset (index) or on all (None), with its scale and weight.

    ``own`` is the head where it brings its own loss.
    """

    property: Property
    dataset: int | None
    loss: str
    weight: float
    scale: float
    name: str
    own: OwnLoss | None = None


def term_sums(
    terms: Sequence[Term],
    predictions: Mapping[str, Tensor],
    graph: Graph,
    dataset: Int[Tensor, " structures"],
) -> list[tuple[Float[Tensor, ""], Int[Tensor, ""]]]:
    """Sum of the loss over known labels, and their number, for each term."""
    structures, sums = graph.structures, []
    for t in terms:
        prediction = predictions[t.property.name]
        if t.own is not None:
            values = t.own.losses(prediction, graph)
            known = values.isfinite() if t.dataset is None else values.isfinite() & (dataset == t.dataset)
            sums.append((torch.where(known, values, 0.0).sum(), known.sum()))
            continue
        target = structures.labels[t.property.name]
        error, known = masked_error(t.property, prediction, target, structures)
        if t.dataset is not None:
            mine = rows_of(t.property, dataset == t.dataset, structures)
            known = known & mine.view(-1, *[1] * (known.dim() - 1))
        loss = LOSSES[t.loss](torch.where(known, error, 0.0) / t.scale)
        sums.append((torch.where(known, loss, 0.0).sum(), known.sum()))
    return sums


def total_loss(
    terms: Sequence[Term], sums: Sequence[tuple[Float[Tensor, ""], Int[Tensor, ""]]]
) -> Float[Tensor, ""]:
    """Σ weight · mean over the term's own known labels; 0, with zero gradient, where none is known.

    A batch that mixes datasets so gives the sum of what each part gives alone.
    """
    total = torch.zeros(())
    for t, (value, known) in zip(terms, sums, strict=True):
        total = total.to(value) + t.weight * value / known.clamp(min=1)
    return total


def masked_error(property: Property, prediction: Tensor, target: Tensor, structures) -> tuple[Tensor, Tensor]:
    """Prediction − target (per atom where extensive) and which entries have a known target."""
    known = target.isfinite()
    error = torch.where(known, prediction, 0.0) - torch.where(known, target, 0.0)
    if property.extensive and property.per == "structure":
        error = error / structures.counts.clamp(min=1).to(error.dtype).view(-1, *[1] * (error.dim() - 1))
    return error, known


def rows_of(property: Property, chosen: Bool[Tensor, " structures"], structures) -> Bool[Tensor, " rows"]:
    """Spread a choice of structures over the rows of a property: its structures or its atoms."""
    return chosen[structures.structure] if property.per == "atom" else chosen
