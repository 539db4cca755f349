"""Features of neighbours seen in the frame of their edge, where a convolution is a sum over one m at a time.

In a frame whose z axis is the edge (Passaro & Zitnick 2023, arXiv:2302.03655, sec. 3) the harmonics of the
edge are zero but for m = 0, and a filter couples order m of a feature with order m alone. What is left of
rotations are those about the edge, SO(2), and orders |m| ≤ ``m_max`` can be kept without breaking them.

Which way x points is free. It is chosen by the coordinate axis that is furthest from the edge: nothing is
singular, also where edges run exactly along an axis, and where the choice changes from one edge to the next a
layer that is equivariant under SO(2) does not see it. Wigner's D is a polynomial in the elements of the
rotation, so all derivatives exist.
"""

from __future__ import annotations

from functools import cache
from itertools import accumulate

import torch

from atomscape.o3.wigner import wigner_D_all
from atomscape.ops.radial import lengths
from atomscape.shapes import Float, Tensor

Orders = tuple[Float[Tensor, "edges _ _ channels"], ...]
"""Features ``[edges, signs, degrees, channels]``: first of m = 0, then of +m and −m, degrees from m on."""


def edge_rotations(vectors: Float[Tensor, "edges 3"]) -> Float[Tensor, "edges 3 3"]:
    """Rotations that turn each edge to the z axis; an edge of length zero counts as one along z."""
    r = lengths(vectors).unsqueeze(1)
    there = r > 0
    up = torch.eye(3, dtype=vectors.dtype, device=vectors.device)
    z = torch.where(there, vectors / torch.where(there, r, 1.0), up[2])
    across = up[z.detach().abs().argmin(1)]
    x = across - z * (across * z).sum(1, keepdim=True)
    x = x / lengths(x).unsqueeze(1)  # at least √⅔ long
    return torch.stack([x, torch.linalg.cross(z, x), z], 1)


def edge_frames(vectors: Float[Tensor, "edges 3"], l_max: int) -> list[Tensor]:
    """D_0 … D_l_max of the rotations of every edge, ``[edges, 2l+1, 2l+1]``."""
    return wigner_D_all(l_max, edge_rotations(vectors))


def into_frames(x: Float[Tensor, "edges lm channels"], D: list[Tensor], l_max: int, m_max: int) -> Orders:
    """Turn features of each edge into its frame, and keep orders |m| ≤ ``m_max``."""
    blocks = x.split([2 * l + 1 for l in range(l_max + 1)], 1)
    kept = [_kept(D[l], l, m_max) @ block for l, block in enumerate(blocks)]
    rows = torch.cat(kept, 1).index_select(1, torch.tensor(_by_order(l_max, m_max), device=x.device))
    parts = rows.split([_signs(m) * (l_max + 1 - m) for m in range(m_max + 1)], 1)
    return tuple(p.unflatten(1, (_signs(m), l_max + 1 - m)) for m, p in enumerate(parts))


def out_of_frames(
    orders: Orders, D: list[Tensor], l_max: int, m_max: int
) -> Float[Tensor, "edges lm channels"]:
    """Turn features of edge frames back; orders above ``m_max`` are zero there."""
    order = _by_order(l_max, m_max)
    back = torch.tensor([order.index(row) for row in range(len(order))], device=orders[0].device)
    rows = torch.cat([o.flatten(1, 2) for o in orders], 1).index_select(1, back)
    blocks = rows.split([2 * min(l, m_max) + 1 for l in range(l_max + 1)], 1)
    return torch.cat([_kept(D[l], l, m_max).mT @ block for l, block in enumerate(blocks)], 1)


def _kept(D: Float[Tensor, "edges m n"], l: int, m_max: int) -> Float[Tensor, "edges kept n"]:
    """Rows of the orders that are kept."""
    m = min(l, m_max)
    return D[:, l - m : l + m + 1]


def _signs(m: int) -> int:
    return 2 if m else 1


@cache
def _by_order(l_max: int, m_max: int) -> list[int]:
    """Rows of kept features, which stand degree by degree, in the order m, sign, degree."""
    widths = [2 * min(l, m_max) + 1 for l in range(l_max + 1)]
    middle = [start + width // 2 for start, width in zip(accumulate([0, *widths]), widths, strict=False)]
    return [
        middle[l] + sign * m
        for m in range(m_max + 1)
        for sign in (1, -1)[: _signs(m)]
        for l in range(m, l_max + 1)
    ]
