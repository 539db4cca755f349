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
    periodic = pbc.unsqueeze(-1)
    whole = torch.where(periodic, cell, torch.diag_embed((~pbc).to(cell.dtype)))
    turns = torch.linalg.solve(whole.mT, vectors.unsqueeze(-1)).round().nan_to_num(0, 0, 0)
    steps = torch.cartesian_prod(*[torch.arange(-1, 2, device=vectors.device)] * 3).to(cell.dtype)
    tried = torch.where(periodic, turns + steps.T, 0.0).mT @ cell
    images = vectors.unsqueeze(1) - tried
    shortest = images.square().sum(-1).nan_to_num(torch.inf).argmin(1)
    return images[torch.arange(len(vectors), device=vectors.device), shortest]
