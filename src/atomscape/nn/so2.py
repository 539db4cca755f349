"""Linear maps and gates in the frame of an edge: equivariant under rotations about it and its mirrors.

Features are given order by order (``nn.edge_frames``). Rotations about the edge turn +m and −m into each
other by the angle m φ. A linear map that commutes with them mixes degrees and channels of one m alone, the
same for +m and −m (Passaro & Zitnick 2023, arXiv:2302.03655, eq. 4, whose second matrix, from +m to −m, a
mirror plane through the edge forbids: it exists in SO(3) only). Order 0 does not turn: any function of it is
allowed, and may multiply the others.
"""

from __future__ import annotations

import torch
from torch import nn

from atomscape.nn.edge_frames import Orders
from atomscape.ops.activation import silu
from atomscape.shapes import Float, Tensor


class OrderMaps(nn.Module):
    """For each m a matrix from (degrees, channels) to (degrees, channels), by default of equal mean square.

    ``extra`` more outputs are made of order 0.
    """

    def __init__(self, l_in: int, l_out: int, m_max: int, channels: int, extra: int = 0) -> None:
        super().__init__()
        self.l_out, self.channels, self.extra = l_out, channels, extra
        self.weights = nn.ParameterList()
        for m in range(min(m_max, l_in, l_out) + 1):
            rows = (l_in + 1 - m) * channels
            columns = (l_out + 1 - m) * channels + (0 if m else extra)
            self.weights.append(torch.randn(rows, columns) / rows**0.5)

    def forward(self, orders: Orders) -> tuple[Orders, Float[Tensor, "edges extra"]]:
        """Mapped features, and the extra outputs."""
        mapped = [o.flatten(2) @ W for o, W in zip(orders, self.weights, strict=True)]
        size = (self.l_out + 1) * self.channels
        extra = mapped[0][:, 0, size:]
        mapped[0] = mapped[0][..., :size]
        return tuple(o.unflatten(2, (-1, self.channels)) for o in mapped), extra


class OrderGate(nn.Module):
    """Every degree and channel times silu of a number of its own, the same for all m."""

    def __init__(self, l_max: int, channels: int) -> None:
        super().__init__()
        self.shape = l_max + 1, channels
        self.bias = nn.Parameter(torch.ones((l_max + 1) * channels))

    def forward(self, orders: Orders, gates: Float[Tensor, "edges gates"]) -> Orders:
        """Multiply; where the gates are 0, by silu(bias)."""
        factors = silu(gates + self.bias).unflatten(1, (1, *self.shape))
        return tuple(o * factors[:, :, m:] for m, o in enumerate(orders))
