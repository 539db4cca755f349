"""Which classes a model takes for which: its outputs on labelled structures, and the table of confusions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from atomscape.data.store import Store
from atomscape.learn.evaluate import batches_in_order, evaluating, predict
from atomscape.learn.graphs import GraphSet
from atomscape.learn.labels.derive import with_derived
from atomscape.learn.model import Model
from atomscape.shapes import Float, Int, Tensor


@dataclass(frozen=True, eq=False)
class ClassOutputs:
    """log p of every class for structures or atoms, and the classes they are labelled with (from 0).

    ``ids`` are those of the structures, of atoms those of the structures they belong to.
    """

    log_p: Float[Tensor, "rows classes"]
    labels: Int[Tensor, " rows"]
    ids: tuple[str, ...]

    @property
    def predicted(self) -> Int[Tensor, " rows"]:
        """The likeliest class."""
        return self.log_p.argmax(1)

    @property
    def right(self) -> float:
        """Share of structures or atoms, in percent, whose likeliest class is the labelled one."""
        return 100 * float((self.predicted == self.labels).double().mean())

    @property
    def right_of_each(self) -> dict[int, float]:
        """The same for each class that is labelled: of masked elements, which are known again."""
        return {int(k): self.of((self.labels == k).nonzero()[:, 0]).right for k in self.labels.unique()}

    def of(self, chosen: Sequence[int] | np.ndarray | Tensor) -> ClassOutputs:
        """Those of some structures."""
        rows = torch.as_tensor(chosen)
        ids = tuple(self.ids[i] for i in rows.tolist()) if self.ids else ()
        return ClassOutputs(self.log_p[rows], self.labels[rows], ids)

    def confusion(self) -> Int[Tensor, "labelled predicted"]:
        """How often structures of one class were taken for another."""
        n = self.log_p.shape[1]
        return torch.bincount(self.labels * n + self.predicted, minlength=n * n).reshape(n, n)


def drawn_class_outputs(model: Model, graphs: GraphSet, key: str) -> ClassOutputs:
    """Outputs of the head ``key`` on a part of a run's data as it is drawn: what corruptions hid, for one.

    Rows without a label are left out.
    """
    head: Any = model.heads[key]
    name, log_p, labels, ids = head.provides[0].name, [], [], []
    device = next(model.parameters()).device
    with evaluating(model):
        for rows in batches_in_order(graphs.counts):
            graph, dataset = graphs.batch(rows)
            found = model(graph.to(device), dataset.to(device))[name].cpu()
            s = graph.structures
            target, known = head.targets(s)
            owner = s.structure if head.of_atoms else torch.arange(len(s))
            log_p.append(found[known])
            labels.append(target[known])
            ids += [s.ids[i] for i in owner[known].tolist()] if s.ids else []
    return ClassOutputs(torch.cat(log_p), torch.cat(labels), tuple(ids))


def class_outputs(model: Model, store: Store, rows: Sequence[int] | str, name: str) -> ClassOutputs:
    """Outputs of a model with a head ``classes`` for the property ``name``, on structures or on a split."""
    log_p, labels, ids = [], [], []
    for structures, predictions in predict(model, store, rows):
        structures = with_derived(structures, model.architecture.rules)
        log_p.append(predictions[name])
        labels.append(structures.labels[name])
        ids += structures.ids
    (first,) = (h.head.options["first"] for h in model.architecture.heads if h.predicts.name == name)
    return ClassOutputs(torch.cat(log_p), torch.cat(labels).long() - first, tuple(ids))
