"""One vector per atom, from the block of vectors of an embedding: V (g ⊙ W h), g of what does not turn."""

from __future__ import annotations

import torch
from torch import nn

from atomscape.shapes import Float, Tensor


class GatedVector(nn.Module):
    """Two linear maps of channels without constants, between them a gate for each channel."""

    def __init__(self, channels: int, features: int, hidden: int) -> None:
        super().__init__()
        self.inner = nn.Linear(channels, hidden, bias=False)
        self.gates = nn.Sequential(nn.Linear(features, hidden), nn.SiLU(), nn.Linear(hidden, hidden))
        self.outer = nn.Linear(hidden, 1, bias=False)

    def forward(
        self, h: Float[Tensor, "atoms m channels"], features: Float[Tensor, "atoms features"]
    ) -> Float[Tensor, "atoms 3"]:
        """Read the block of vectors, whose components stand in the order y, z, x."""
        y, z, x = self.outer(self.hidden(h, features)).squeeze(-1).unbind(1)
        return torch.stack([x, y, z], 1)

    def hidden(
        self, h: Float[Tensor, "atoms m channels"], features: Float[Tensor, "atoms features"]
    ) -> Float[Tensor, "atoms m hidden"]:
        """Gated channels, which the last map reads."""
        return self.inner(h) * (1 + self.gates(features)).unsqueeze(1)
