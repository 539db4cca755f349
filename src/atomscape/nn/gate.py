"""Gated nonlinearity (Weiler et al. 2018, 3D steerable CNNs, sec. 4.3), with gates that see every degree.

The true scalars and the squared length of every other block enter a small network; it returns an update of
the scalars and one factor per channel for every other block. Squares, not norms, so that all derivatives
exist where features vanish.
"""

from __future__ import annotations

import torch
from torch import nn

from atomscape.nn.layout import Layout
from atomscape.ops.invariants import power_spectrum
from atomscape.shapes import Float, Tensor


class Gate(nn.Module):
    """Equivariant nonlinearity on features of one layout."""

    def __init__(self, layout: Layout, channels: int) -> None:
        super().__init__()
        self.layout, self.channels = layout, channels
        blocks = len(layout.keys)
        self.hidden = nn.Linear(blocks * channels, channels)
        self.out = nn.Linear(channels, blocks * channels)

    def forward(self, x: Float[Tensor, "atoms lm channels"]) -> Float[Tensor, "atoms lm channels"]:
        """Return updated scalars and gated blocks."""
        scalars, *rest = self.layout.split(x)
        seen = torch.cat([scalars[:, 0], *(power_spectrum(b) for b in rest)], -1)
        update = self.out(nn.functional.silu(self.hidden(seen))).unflatten(-1, (-1, 1, self.channels))
        gated = [b * update[:, i] for i, b in enumerate(rest, start=1)]
        return torch.cat([update[:, 0], *gated], 1)
