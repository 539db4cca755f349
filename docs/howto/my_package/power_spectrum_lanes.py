"""The power spectrum as native code: lanes are channels, one pass over memory, registers for the sums.

The gradient is a plain product, written with torch operations: derivatives of every order are exact.
"""

from __future__ import annotations

from functools import cache

import torch

from atomscape.ops.jit import launch
from atomscape.ops.jit.compile import address_of
from atomscape.ops.jit.derivatives import define
from atomscape.ops.jit.lanes import Program
from atomscape.ops.jit.team import threads_for
from atomscape.shapes import Float, Tensor

VERSION = 1  # part of the key under which the compiled code is kept: raise it when the code changes
ARGUMENTS = ("block", "out", "atoms", "orders", "channels")


def serves(block: Tensor) -> str | None:
    """``None`` if this kernel can serve the call, else the reason why not."""
    return launch.declined(block)


def run(block: Float[Tensor, "atoms m channels"]) -> Float[Tensor, "atoms channels"]:
    """Same signature and result as ``atomscape.ops.invariants.power_spectrum``."""
    return torch.ops.atomscape.power_spectrum_lanes(block)


@cache
def _address(number: str, lanes: int) -> int:
    return address_of("power_spectrum", (VERSION, number, lanes), lambda: _write(number, lanes))


def _write(number: str, lanes: int) -> str:
    p = Program("power_spectrum", number, lanes)
    block, out = p.pointer(0), p.pointer(1)
    atoms, orders, channels = (p.integer(k) for k in (2, 3, 4))
    # Each thread takes whole atoms; the tail of the channels is masked.
    mine = atoms * p.thread / p.threads, atoms * (p.thread + 1) / p.threads
    with p.range(*mine) as atom, p.blocks(channels, tail=True) as (c, mask):
        total, count = p.variable(p.constant(0)), p.variable(p.constant(0))
        with p.range(0, orders) as m:
            x = p.load(block, (atom * orders + m) * channels + c, mask)
            total.set(p.fma(x, x, total.get()))
            count.set(count.get() + 1.0)
        p.store(total.get() / count.get(), out, atom * channels + c, mask)
    return p.text


def _forward(block: Tensor) -> Tensor:
    block = block.contiguous()
    atoms, orders, channels = block.shape
    out = block.new_empty(atoms, channels)
    if out.numel():
        address = _address(launch.NUMBER[block.dtype], launch.lanes_for(block.dtype, channels))
        given = dict(zip(ARGUMENTS, (block, out, atoms, orders, channels), strict=True))
        launch.call(address, ARGUMENTS, given, threads_for(block.numel()))
    return out


def _gradient(ctx, cotangent: Tensor | None) -> Tensor | None:
    (block,) = ctx.saved_tensors
    return None if cotangent is None else block * cotangent.unsqueeze(1) * (2 / block.shape[1])


define(
    "power_spectrum_lanes",
    "(Tensor block) -> Tensor",
    _forward,
    lambda block: block.new_empty(block.shape[0], block.shape[2]),
    _gradient,
)
