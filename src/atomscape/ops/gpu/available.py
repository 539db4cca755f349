"""Whether Triton can take these tensors. Cheap, and Triton itself is not imported to find out."""

from __future__ import annotations

import os
from importlib.util import find_spec

import torch

from atomscape.ops.transforms import transformed
from atomscape.shapes import Tensor

INSTALLED = find_spec("triton") is not None
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
"""Whether kernels run in Triton's interpreter, on CPU tensors: for tests only, it is very slow."""

DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
"""Half precisions are calculated in float32."""
HIGHEST = 12
"""Highest degree of harmonics: beyond it a point no longer fits the registers."""
DEVICES = ("cuda", "xpu")


def reason(*tensors: Tensor, indices: tuple[Tensor, ...] = ()) -> str | None:
    """``None`` if Triton can take the floating-point ``tensors`` and integer ``indices``, else why not."""
    first = tensors[0]
    kind = first.device.type
    if kind not in DEVICES and not (INTERPRETED and kind == "cpu"):
        return "the arguments are on the CPU" if kind == "cpu" else f"no kernels for device {kind!r}"
    if any(t.device != first.device for t in (*tensors, *indices)):
        return "the arguments are on different devices"
    if first.dtype not in DTYPES:
        return f"no kernels for {first.dtype}"
    if any(t.dtype != first.dtype for t in tensors):
        return f"the arguments differ in dtype: {', '.join(str(t.dtype) for t in tensors)}"
    if not INSTALLED:
        return "triton is not installed; pip install 'atomscape[gpu]'"
    return transformed(*tensors)


def harmonics_reason(r: Tensor, l_max: int) -> str | None:
    """``None`` if Triton can make harmonics of these vectors, else why not."""
    if not 0 <= l_max <= HIGHEST:
        return f"l_max {l_max} is not between 0 and {HIGHEST}"
    return reason(r)
