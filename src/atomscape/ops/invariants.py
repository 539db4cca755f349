"""Invariants of equivariant features: power spectra, as squares. No norm and no root is ever taken.

On a perfect crystal the features of many degrees vanish by symmetry and what is left is rounding noise; the
gradient of a norm would be a random unit vector there. Squares have gradient zero.
"""

from __future__ import annotations

import torch

from atomscape.ops.op import Op
from atomscape.shapes import Float, Tensor


@Op
def power_spectrum(block: Float[Tensor, "atoms m channels"]) -> Float[Tensor, "atoms channels"]:
    """Mean square over the orders m of each channel: the diagonal of the channel Gram matrix, over 2l+1."""
    return block.square().mean(dim=-2)


@Op
def gram(block: Float[Tensor, "atoms m channels"]) -> Float[Tensor, "atoms channels channels"]:
    """Channel Gram matrix Σ_m x_mc x_mc' / (2l+1): all quadratic invariants of one degree."""
    return torch.einsum("amc,amd->acd", block, block) / block.shape[-2]
