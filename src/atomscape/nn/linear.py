"""Self-interaction: each degree's channels are mixed by a matrix of its own (Thomas et al. 2018, eq. 6)."""

from __future__ import annotations

import torch
from torch import nn

from atomscape.nn.layout import Layout
from atomscape.shapes import Float, Tensor


class SelfInteraction(nn.Module):
    """``out[a, lm, d] = Σ_c x[a, lm, c] W[l, c, d]``; the true scalars may also get a bias."""

    def __init__(self, layout: Layout, channels_in: int, channels_out: int, bias: bool = False) -> None:
        super().__init__()
        self.layout = layout
        self.weight = nn.Parameter(
            torch.randn(len(layout.keys), channels_in, channels_out) / channels_in**0.5
        )
        self.bias = nn.Parameter(torch.zeros(channels_out)) if bias else None

    def forward(self, x: Float[Tensor, "atoms lm channels_in"]) -> Float[Tensor, "atoms lm channels_out"]:
        """Mix channels."""
        blocks = [b @ w for b, w in zip(self.layout.split(x), self.weight.unbind(0), strict=True)]
        if self.bias is not None:
            blocks[0] = blocks[0] + self.bias
        return torch.cat(blocks, 1)
