"""Which classes a model takes for which: its outputs on labelled structures, and the table of confusions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from atomscape.data.store import Store
from atomscape.learn.evaluate import predict
from atomscape.learn.model import Model
from atomscape.shapes import Float, Int, Tensor


@dataclass(frozen=True, eq=False)
class ClassOutputs:
    """log p of every class for structures, and the classes they are labelled with (counted from 0)."""

    log_p: Float[Tensor, "structures classes"]
    labels: Int[Tensor, " structures"]
    ids: tuple[str, ...]

    @property
    def predicted(self) -> Int[Tensor, " structures"]:
        """The likeliest class."""
        return self.log_p.argmax(1)

    @property
    def right(self) -> float:
        """Share of structures, in percent, whose likeliest class is the labelled one."""
        return 100 * float((self.predicted == self.labels).double().mean())

    def of(self, chosen: Sequence[int] | np.ndarray | Tensor) -> ClassOutputs:
        """Those of some structures."""
        rows = torch.as_tensor(chosen)
        return ClassOutputs(self.log_p[rows], self.labels[rows], tuple(self.ids[i] for i in rows.tolist()))

    def confusion(self) -> Int[Tensor, "labelled predicted"]:
        """How often structures of one class were taken for another."""
        n = self.log_p.shape[1]
        return torch.bincount(self.labels * n + self.predicted, minlength=n * n).reshape(n, n)


def class_outputs(model: Model, store: Store, rows: Sequence[int] | str, name: str) -> ClassOutputs:
    """Outputs of a model with a head ``classes`` for the property ``name``, on structures or on a split."""
    log_p, labels, ids = [], [], []
    for structures, predictions in predict(model, store, rows):
        log_p.append(predictions[name])
        labels.append(structures.labels[name])
        ids += structures.ids
    (first,) = (h.head.options["first"] for h in model.architecture.heads if h.predicts.name == name)
    return ClassOutputs(torch.cat(log_p), torch.cat(labels).long() - first, tuple(ids))
