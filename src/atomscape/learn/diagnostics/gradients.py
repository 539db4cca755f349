"""Who pulls at the encoder: the norm of the gradient there of each row of the loss, dataset by dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from atomscape.atoms.graph import Graph
from atomscape.learn.objectives import Term, term_sums
from atomscape.shapes import Int, Tensor


@dataclass(frozen=True)
class Pulls:
    """Norms by ``dataset:property``, and the gradient of the whole loss by ``id`` of the parameter."""

    norms: dict[str, float]
    total: dict[int, Tensor]


def pulls(
    encoder: nn.Module,
    terms: Sequence[Term],
    datasets: Sequence[str],
    predictions: Mapping[str, Tensor],
    graph: Graph,
    dataset: Int[Tensor, " structures"],
) -> Pulls:
    """Gradients at the encoder's parameters of weight · mean loss, of each term on each dataset.

    Terms without a known label in these structures are left out. ``predictions`` keep their graph.
    """
    parameters = [p for p in encoder.parameters() if p.requires_grad]
    norms, total = {}, {id(p): torch.zeros_like(p) for p in parameters}
    for name, term in _by_dataset(terms, datasets):
        ((value, known),) = term_sums([term], predictions, graph, dataset)
        if not parameters or not int(known) or not value.requires_grad:
            continue
        found = torch.autograd.grad(
            term.weight * value / known, parameters, retain_graph=True, allow_unused=True
        )
        square = 0.0
        for p, g in zip(parameters, found, strict=True):
            if g is not None:
                square += float(g.double().square().sum())
                total[id(p)] += g
        norms[name] = square**0.5
    return Pulls(norms, total)


def _by_dataset(terms: Sequence[Term], datasets: Sequence[str]) -> list[tuple[str, Term]]:
    """Terms of all datasets taken apart."""
    found = []
    for t in terms:
        owners = range(len(datasets)) if t.dataset is None else [t.dataset]
        found += [(f"{datasets[d]}:{t.property.name}", replace(t, dataset=d)) for d in owners]
    return found


def in_words(norms: Mapping[str, float]) -> list[str]:
    """Rows that pull a hundred times harder than another, and rows that do not pull, as sentences."""
    said = [f"{name} has no gradient at the encoder" for name, n in norms.items() if n == 0]
    there = {name: n for name, n in norms.items() if n > 0}
    if len(there) > 1:
        strong, weak = max(there, key=there.__getitem__), min(there, key=there.__getitem__)
        ratio = there[strong] / there[weak]
        if ratio > 100:
            said.append(f"{strong} pulls {ratio:.0f} times as hard at the encoder as {weak}")
    return said
