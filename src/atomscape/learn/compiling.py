"""torch.compile of a model in training: fewer, larger kernels between the operations of this package."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from atomscape.learn.model import Model


def compiled(model: Model) -> Callable[..., Any]:
    """The model compiled for batches of any size; its weights are those of the model.

    Raises
    ------
    ValueError
        It learns derivatives of the energy: their gradients are second derivatives, which torch.compile does
        not take.
    """
    if model.architecture.derivatives:
        raise ValueError(
            f"training.compile: {', '.join(model.architecture.derivatives)} are derivatives of the energy, "
            "and torch.compile cannot differentiate twice; leave compile out, or predict them by a head of "
            "their own"
        )
    return torch.compile(model, dynamic=True)
