"""Gates made of scalars (Weiler et al. 2018, 3D steerable CNNs, sec. 4.3), as NequIP has them.

    0e: s ← a φ(s)      0o: p ← b tanh(p)      any other block: x[l] ← a φ(g[l]) x[l],  φ(s) = s / (1 + e⁻ˢ)

The gates g are true scalars, one for each block and channel. tanh is odd, so a pseudoscalar stays one. The
constants give φ and tanh unit mean square for normally distributed arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import nn

from atomscape.nn.layout import Layout
from atomscape.ops.activation import silu
from atomscape.shapes import Float, Tensor


class ScalarGate(nn.Module):
    """Nonlinearity on features of one layout; ``gated`` are the places of the blocks that need gates."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        self.gated = tuple(i for i, l in enumerate(layout.degrees) if l)
        self.scale, self.odd_scale = _unit(nn.functional.silu), _unit(torch.tanh)

    def forward(
        self, x: Float[Tensor, "atoms lm channels"], gates: Float[Tensor, "atoms gated channels"]
    ) -> Float[Tensor, "atoms lm channels"]:
        """Scalars through their function, other blocks times their gate."""
        blocks = list(self.layout.split(x))
        factors = silu(torch.cat([blocks[0], gates], 1)) * self.scale
        for i, l in enumerate(self.layout.degrees[1:], start=1):
            if l == 0:
                blocks[i] = blocks[i].tanh() * self.odd_scale
        blocks[0] = factors[:, :1]
        for n, i in enumerate(self.gated, start=1):
            blocks[i] = blocks[i] * factors[:, n : n + 1]
        return torch.cat(blocks, 1)


@cache
def _unit(function: Callable[[Tensor], Tensor]) -> float:
    """Factor that gives a function unit mean square over the normal distribution."""
    x = torch.linspace(-12, 12, 4801, dtype=torch.float64, device="cpu")
    density = torch.exp(-0.5 * x.square())
    return float((function(x).square() @ density / density.sum()) ** -0.5)
