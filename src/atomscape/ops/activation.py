"""Nonlinear functions of scalars."""

from __future__ import annotations

import torch

from atomscape.ops.op import Op
from atomscape.shapes import Float, Tensor


@Op
def silu(z: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Sigmoid linear unit, z / (1 + e⁻ᶻ) (Elfwing et al. 2018, arXiv:1702.03118, eq. 1)."""
    return torch.nn.functional.silu(z)
