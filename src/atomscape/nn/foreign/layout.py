"""From e3nn's layout of features to ours.

e3nn keeps a row per atom: for each irrep, ``channels`` times its 2l+1 numbers, with y as polar axis. Its
harmonics at (x, y, z) are ours at (z, x, y), so a block that it has turns by D(P R P⁻¹) where ours turn by
D(R), with P the rotation that takes (x, y, z) to (z, x, y): ours is D(P)ᵀ times it. Both normalise by
component.
"""

from __future__ import annotations

import torch

from atomscape.o3.irreps import Irreps
from atomscape.o3.wigner import wigner_D
from atomscape.shapes import Float, Tensor

P = ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
"""Takes (x, y, z) to (z, x, y)."""

Key = tuple[int, int]
"""Degree and parity of a block."""


def axes(l: int) -> Float[Tensor, "m n"]:
    """D_l(P)ᵀ in float64: from the order and signs of e3nn's components to ours."""
    return wigner_D(l, torch.tensor(P, dtype=torch.float64)).transpose(-1, -2).contiguous()


def blocks_of(
    row: Float[Tensor, "atoms features"], irreps: str, turned: bool = True
) -> dict[Key, Float[Tensor, "atoms m channels"]]:
    """Blocks of a row of e3nn's, in our layout; irreps that stand in several places are joined.

    Without ``turned`` components have our order already, with z as polar axis.
    """
    found: dict[Key, list[Tensor]] = {}
    start = 0
    for many, (l, parity) in Irreps(irreps):
        m = 2 * l + 1
        block = row[:, start : start + many * m].unflatten(1, (many, m))
        ours = torch.einsum("mn,acn->amc", axes(l).to(row), block) if turned else block.transpose(1, 2)
        found.setdefault((l, parity), []).append(ours)
        start += many * m
    return {key: torch.cat(parts, 2) for key, parts in sorted(found.items(), key=_order)}


def joined(layers: list[dict[Key, Tensor]]) -> dict[Key, Float[Tensor, "atoms m channels"]]:
    """Blocks of several layers side by side, channel by channel."""
    keys = {key for layer in layers for key in layer}
    return {
        key: torch.cat([layer[key] for layer in layers if key in layer], 2)
        for key in sorted(keys, key=lambda k: (k[0], -k[1]))
    }


def _order(item: tuple[Key, list[Tensor]]) -> tuple[int, int]:
    return item[0][0], -item[0][1]
