"""How kernels are started: on which device, in which precision, with how many channels or points each.

Sizes and strides are arguments at run time, so a batch of another shape never compiles anew.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import triton.language as tl

from atomscape.shapes import Tensor

WARPS = 1
"""Warps per program: more would repeat what is the same for all channels."""


WORDS = 56
"""Most numbers of 32 bits per channel that two channels per lane have registers for (measured on an H100)."""


def real(dtype: torch.dtype) -> Any:
    """Triton's type to calculate in: float64 for float64, float32 for all others."""
    return tl.float64 if dtype == torch.float64 else tl.float32


def wide(dtype: torch.dtype) -> torch.dtype:
    """Torch's type to calculate in."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def block(channels: int, rows: int, dtype: torch.dtype) -> int:
    """Channels of one program, which holds ``rows`` numbers for each: two per lane of a warp, no more than
    there are, but one where two would not fit the registers.
    """
    words = rows * (2 if dtype == torch.float64 else 1)
    return min(64 if words <= WORDS else 32, max(32, 1 << (channels - 1).bit_length()))


def programs(size: int, each: int) -> int:
    """Programs that together take ``size`` items, ``each`` at most."""
    return -(-size // each)


def on(tensor: Tensor) -> AbstractContextManager[Any]:
    """Make the tensor's device the current one: Triton launches there."""
    if tensor.device.type == "cpu":
        return nullcontext()
    return torch.get_device_module(tensor.device).device(tensor.device)
