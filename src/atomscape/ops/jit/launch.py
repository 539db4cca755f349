"""From torch tensors to a native kernel: precision and lanes, the order of the edges, addresses, threads."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Literal

import torch

from atomscape.ops.jit.compile import address_of, vector_bytes
from atomscape.ops.jit.lanes import BITS, Program
from atomscape.ops.jit.team import run
from atomscape.shapes import Tensor

NUMBER: dict[torch.dtype, Literal["float", "double"]] = {torch.float32: "float", torch.float64: "double"}


def lanes_for(dtype: torch.dtype, size: int) -> int:
    """Lanes of the processor's vectors; fewer if the axis has not so many numbers."""
    native = vector_bytes() * 8 // BITS[NUMBER[dtype]]
    return min(native, max(2, 1 << (max(size, 1) - 1).bit_length()))


def call(address: int, names: tuple[str, ...], given: Mapping[str, Tensor | int], threads: int) -> None:
    """Run a kernel; tensors go in as addresses and must be contiguous, arguments not given as 0."""
    values = (given.get(name, 0) for name in names)
    packed = [v.data_ptr() if isinstance(v, torch.Tensor) else v for v in values]
    run(address, packed, threads)


def declined(*tensors: Tensor) -> str | None:
    """Why a kernel for CPUs cannot take these floating-point tensors, or None."""
    for t in tensors:
        if t.device.type != "cpu":
            return f"an argument is on {t.device.type}, not on the CPU"
        if t.dtype not in NUMBER:
            return f"an argument is {_name(t.dtype)}; kernels for CPUs are float32 and float64"
        if t.dtype != tensors[0].dtype:
            return (
                f"arguments of {_name(tensors[0].dtype)} and {_name(t.dtype)}; they must be of one precision"
            )
    return None


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def sequence(key: Tensor, other: Tensor, rows: int) -> Tensor:
    """Edges in stable order of ``key`` (int64): a counting sort. Both indices are checked against ``rows``.

    Raises
    ------
    IndexError
        An index is negative, or not below ``rows``.
    """
    order, counts = torch.empty_like(key), key.new_zeros(rows + 1)
    fine = key.new_zeros(1)
    names = ("key", "other", "order", "counts", "fine", "edges", "rows")
    given = dict(zip(names, (key, other, order, counts, fine, len(key), rows), strict=True))
    call(_sort(), names, given, 1)
    if not fine.item():
        low, high = int(min(key.min(), other.min())), int(max(key.max(), other.max()))
        raise IndexError(
            f"edges join atoms {low} … {high}, but features are given for {rows} atoms: "
            f"centre and neighbour must be 0 … {rows - 1}"
        )
    return order


@cache
def _sort() -> int:
    return address_of("counting_sort", (), _write_sort)


def _write_sort() -> str:
    p = Program("counting_sort", "double", 2)
    key, other, order, counts, fine = (p.pointer(k) for k in range(5))
    edges, rows = p.integer(5), p.integer(6)
    outside = p.variable(p.like(0, edges))
    with p.range(0, edges) as e:
        for index in (key, other):
            at = p.read(index, e, "i64")
            wrong = p.either(p.compare("lt", at, 0), p.compare("ge", at, rows))
            with p.when(wrong):
                outside.set(p.like(1, edges))
    with p.when(p.compare("eq", outside.get(), 0)):
        p.put(p.like(1, edges), fine, 0)
        with p.range(0, edges) as e:
            after = p.read(key, e, "i64") + 1
            p.put(p.read(counts, after, "i64") + 1, counts, after)
        with p.range(1, rows + 1) as row:
            p.put(p.read(counts, row, "i64") + p.read(counts, row - 1, "i64"), counts, row)
        with p.range(0, edges) as e:
            row = p.read(key, e, "i64")
            place = p.read(counts, row, "i64")
            p.put(e, order, place)
            p.put(place + 1, counts, row)
    return p.text
