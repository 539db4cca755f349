"""The power spectrum as a numba kernel: one pass over memory, no square of the block is ever written.

Its derivative with respect to the block is 2 x g / (2l+1), a plain product; writing it with torch operations
makes derivatives of every order exact.
"""

from __future__ import annotations

from typing import no_type_check

import numba
import numpy as np
import torch

from atomscape.shapes import Float, Tensor


def serves(block: Tensor) -> str | None:
    """``None`` if this kernel can serve the call, else the reason why not."""
    if block.device.type != "cpu":
        return f"the block is on {block.device}, this kernel is for CPU"
    if block.dtype not in (torch.float32, torch.float64):
        return f"the block is {block.dtype}, this kernel is for float32 and float64"
    return None


def run(block: Float[Tensor, "atoms m channels"]) -> Float[Tensor, "atoms channels"]:
    """Same signature and result as ``atomscape.ops.invariants.power_spectrum``."""
    return _PowerSpectrum.apply(block)


class _PowerSpectrum(torch.autograd.Function):
    @staticmethod
    def forward(ctx, block):
        ctx.save_for_backward(block)
        return torch.from_numpy(_mean_square(block.detach().contiguous().numpy()))

    @staticmethod
    def backward(ctx, cotangent):
        (block,) = ctx.saved_tensors
        return block * cotangent.unsqueeze(1) * (2 / block.shape[1])


@numba.njit(nogil=True)
@no_type_check
def _mean_square(x):
    atoms, orders, channels = x.shape
    out = np.zeros((atoms, channels), x.dtype)
    for a in range(atoms):
        for m in range(orders):
            for c in range(channels):
                out[a, c] += x[a, m, c] * x[a, m, c]
        for c in range(channels):
            out[a, c] /= orders
    return out
