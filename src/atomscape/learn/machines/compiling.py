"""torch.compile of a model in training: fewer, larger kernels between the operations of this package."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from atomscape.learn.model import Model
from atomscape.learn.objectives import ByPositions


def compiled(model: Model) -> Callable[..., Any]:
    """The model compiled for batches of any size; its weights are those of the model.

    Raises
    ------
    ValueError
        It learns derivatives with respect to positions: their gradients are second derivatives, which
        torch.compile does not take.
    """
    asked = [*model.architecture.derivatives]
    asked += [
        h.predicts.name for h in model.architecture.heads if isinstance(model.heads[h.key], ByPositions)
    ]
    if asked:
        raise ValueError(
            f"training.compile: {', '.join(asked)} are derivatives with respect to positions, "
            "and torch.compile cannot differentiate twice; leave compile out, or predict them by a head of "
            "their own"
        )
    return torch.compile(model, dynamic=True)
