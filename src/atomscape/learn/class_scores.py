"""How well classes are told apart, in numbers that common classes do not flatter.

Balanced accuracy is the mean, over the classes that occur, of the share that is right: 1/K by guessing. F1
is 2 hits / (labelled + predicted), of class 1 of two, else the mean over the classes that occur. The area
under the ROC curve, of two classes, is the chance that a row of class 1 is given more of it than one of
class 0, equal ones counting half (Mann–Whitney).
"""

from __future__ import annotations

from math import isnan, nan
from typing import Protocol, runtime_checkable

import torch

from atomscape.atoms.structures import Structures
from atomscape.learn.confusion import ClassOutputs
from atomscape.learn.evaluate import batches_in_order, evaluating
from atomscape.learn.graphs import GraphSet
from atomscape.learn.model import Model
from atomscape.shapes import Tensor

Scores = dict[str, float | int | None]


@runtime_checkable
class TellsClasses(Protocol):
    """A head that gives log p of classes, of atoms or of structures."""

    of_atoms: bool

    def targets(self, structures: Structures) -> tuple[Tensor, Tensor]:
        """Place of each label among the classes, and whether it is known."""
        ...


def balanced_accuracy(outputs: ClassOutputs) -> float:
    """Mean of the recalls of the classes that occur."""
    table = outputs.confusion().double()
    return float((table.diagonal() / table.sum(1)).nanmean())


def f1(outputs: ClassOutputs) -> float:
    """Harmonic mean of precision and recall."""
    table = outputs.confusion().double()
    each = 2 * table.diagonal() / (table.sum(0) + table.sum(1)).clamp(min=1)
    return float(each[1] if len(each) == 2 else each[table.sum(1) > 0].mean())


def roc_auc(outputs: ClassOutputs) -> float:
    """Area under the ROC curve; NaN where there are more than two classes, or one of them does not occur."""
    log_p, ones = outputs.log_p, outputs.labels == 1
    n, rest = int(ones.sum()), int((~ones).sum())
    if log_p.shape[1] != 2 or not n or not rest:
        return nan
    _, tied, count = (log_p[:, 1] - log_p[:, 0]).unique(return_inverse=True, return_counts=True)
    rank = count.cumsum(0).double() - (count.double() - 1) / 2
    return float((rank[tied][ones].sum() - n * (n + 1) / 2) / (n * rest))


def scores(outputs: ClassOutputs) -> Scores:
    """Everything, as in ``results.json``; None where a number does not exist."""
    found = {
        "accuracy": outputs.right / 100,
        "balanced_accuracy": balanced_accuracy(outputs),
        "f1": f1(outputs),
        "roc_auc": roc_auc(outputs),
        "log_loss": float(-outputs.log_p.gather(1, outputs.labels.unsqueeze(1)).mean()),
    }
    rounded = {k: None if isnan(v) else round(v, 6) for k, v in found.items()}
    return {"count": len(outputs.labels)} | rounded


def class_scores(model: Model, graphs: GraphSet) -> dict[str, Scores]:
    """Scores of every head of classes on each dataset of a part of a run, by ``dataset/property``."""
    heads = {key: head for key, head in model.own_losses().items() if isinstance(head, TellsClasses)}
    found: dict[tuple[int, str], list[tuple[Tensor, Tensor]]] = {key: [] for key in heads}
    device = next(model.parameters()).device
    with evaluating(model):
        for rows in batches_in_order(graphs.counts) if heads else ():
            graph, dataset = graphs.batch(rows)
            predictions = model(graph.to(device), dataset.to(device), derivatives=())
            for (d, name), head in heads.items():
                target, known = head.targets(graph.structures)
                owner = dataset[graph.structures.structure] if head.of_atoms else dataset
                mine = known & (owner == d)
                found[d, name].append((predictions[name].cpu()[mine], target[mine]))
    names = model.architecture.datasets
    joined = {
        key: ClassOutputs(torch.cat([p for p, _ in parts]), torch.cat([t for _, t in parts]), ())
        for key, parts in found.items()
    }
    return {f"{names[d]}/{name}": scores(o) for (d, name), o in joined.items() if len(o.labels)}
