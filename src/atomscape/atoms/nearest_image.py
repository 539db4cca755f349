"""Nearest periodic image: the shortest of all vectors that differ by lattice vectors."""

from __future__ import annotations

import torch

from atomscape.shapes import Bool, Float, Tensor


def nearest_image(
    vectors: Float[Tensor, "rows 3"], cell: Float[Tensor, "rows 3 3"], pbc: Bool[Tensor, "rows 3"]
) -> Float[Tensor, "rows 3"]:
    """Shortest image of each vector (Å) in its cell.

    Exact where the cell is not much skewed: the 27 images around the one that rounding finds are tried.
    """
    if not bool(pbc.any()):
        return vectors
    rows = torch.where(pbc.unsqueeze(-1), cell, 0.0)
    turns = (vectors.unsqueeze(1) @ torch.linalg.pinv(rows)).round()
    steps = torch.cartesian_prod(*[torch.arange(-1, 2, device=vectors.device)] * 3).to(cell.dtype)
    tried = (turns + steps) @ rows
    images = vectors.unsqueeze(1) - tried
    shortest = images.square().sum(-1).nan_to_num(torch.inf).argmin(1)
    return images[torch.arange(len(vectors), device=vectors.device), shortest]
