"""Average of the weights along training: ā ← d ā + (1−d) w, where d grows to its end value at the start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


class Average:
    """Exponential moving average of a module's parameters; decay 0 keeps the newest weights."""

    def __init__(self, module: nn.Module, decay: float):
        self.decay = decay
        self.values = {k: p.detach().clone() for k, p in module.named_parameters()}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Take in the weights after optimiser step ``step`` (from 1)."""
        keep = min(self.decay, step / (step + 10))
        for name, p in module.named_parameters():
            self.values[name].lerp_(p, 1 - keep)

    @contextmanager
    def inside(self, module: nn.Module) -> Iterator[None]:
        """The module carries the averaged weights while this lasts."""
        own = {k: p.detach().clone() for k, p in module.named_parameters()}
        _put(module, self.values)
        try:
            yield
        finally:
            _put(module, own)


@torch.no_grad()
def _put(module: nn.Module, values: dict[str, torch.Tensor]) -> None:
    for name, p in module.named_parameters():
        p.copy_(values[name])
