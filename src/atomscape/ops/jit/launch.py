"""From torch tensors to a native kernel: precision, lanes, addresses, threads."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Literal

import torch

from atomscape.ops.jit.compile import vector_bytes
from atomscape.ops.jit.lanes import BITS
from atomscape.ops.jit.team import run
from atomscape.ops.transforms import transformed
from atomscape.shapes import Tensor

NUMBER: dict[torch.dtype, Literal["float", "double"]] = {torch.float32: "float", torch.float64: "double"}


def lanes_for(dtype: torch.dtype, size: int) -> int:
    """Lanes of the processor's vectors; fewer if the axis has not so many numbers."""
    native = _native(dtype)
    return native if size >= native else max(2, 1 << (max(size, 1) - 1).bit_length())


@cache
def _native(dtype: torch.dtype) -> int:
    return vector_bytes() * 8 // BITS[NUMBER[dtype]]


def call(
    address: int,
    names: tuple[str, ...],
    given: Mapping[str, Tensor | int],
    threads: int,
    pieces: int = 1,
) -> None:
    """Run a kernel; tensors go in as addresses and must be contiguous, arguments not given as 0."""
    packed, places = [0] * len(names), _places(names)
    for name, value in given.items():
        place = places.get(name)
        if place is not None:
            packed[place] = value if isinstance(value, int) else value.data_ptr()
    run(address, packed, threads, pieces)


@cache
def _places(names: tuple[str, ...]) -> dict[str, int]:
    return {name: k for k, name in enumerate(names)}


def declined(*tensors: Tensor) -> str | None:
    """Why a kernel for CPUs cannot take these floating-point tensors, or None."""
    first = tensors[0].dtype
    for t in tensors:
        if not t.is_cpu:
            return f"an argument is on {t.device.type}, not on the CPU"
        dtype = t.dtype
        if dtype not in NUMBER:
            return f"an argument is {_name(dtype)}; kernels for CPUs are float32 and float64"
        if dtype is not first:
            return f"arguments of {_name(first)} and {_name(dtype)}; they must be of one precision"
    return transformed(*tensors)


def not_indices(*tensors: Tensor) -> str | None:
    """Why a kernel for CPUs cannot take these tensors as indices, or None."""
    for t in tensors:
        if not t.is_cpu:
            return f"an index is on {t.device.type}, not on the CPU"
        if t.dtype not in (torch.int32, torch.int64):
            return f"an index is {_name(t.dtype)}; indices are int32 or int64"
    return None


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
