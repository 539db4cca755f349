"""Solid and spherical harmonics as operators, with derivatives of every order.

The values themselves are what the gradient is made of, so they are kept, not calculated again:
∇S_lm(r) = G S_{l−1}(r). On the sphere, with u = r/|r| and v = Σ g ∇S(u), the gradient of Σ g Y(r) is
(v − u (u·v))/|r|.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch

from atomscape.ops.gpu import polynomials, slopes
from atomscape.ops.gpu.launch import on, programs, real
from atomscape.ops.gpu.library import operator
from atomscape.ops.gpu.source import kernel
from atomscape.ops.jit.derivatives import wanted
from atomscape.shapes import Float, Tensor

POINTS, WARPS = 128, 4


@cache
def harmonics_kernel(l_max: int, on_sphere: bool) -> Any:
    """Kernel for the values."""
    return kernel(polynomials.text(l_max, on_sphere))


@cache
def slopes_kernel(l_max: int, wanted: slopes.Argument) -> Any:
    """Kernel for one of the three derivatives of P."""
    return kernel(slopes.text(l_max, wanted))


def _launch(function: Any, tensors: tuple[Tensor, ...]) -> None:
    points, dtype = tensors[0].shape[0], tensors[0].dtype
    with on(tensors[0]):
        function[(programs(points, POINTS),)](
            *(t.contiguous() for t in tensors), points, REAL=real(dtype), BLOCK=POINTS, num_warps=WARPS
        )


def _values(r: Tensor, l_max: int, on_sphere: bool) -> Tensor:
    out = _fake_values(r, l_max)
    _launch(harmonics_kernel(l_max, on_sphere), (r, out))
    return out


def _fake_values(r: Tensor, l_max: int) -> Tensor:
    return r.new_empty(r.shape[0], (l_max + 1) ** 2)


def _slopes(one: Tensor, two: Tensor, wanted: slopes.Argument, l_max: int) -> Tensor:
    out = _fake_slopes(one, two, wanted, l_max)
    _launch(slopes_kernel(l_max, wanted), (one, two, out))
    return out


def _fake_slopes(one: Tensor, two: Tensor, wanted: slopes.Argument, l_max: int) -> Tensor:
    return one.new_empty(one.shape[0], 3 if wanted == "h" else (l_max + 1) ** 2)


def _keep_slopes(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    one, two, ctx.wanted, ctx.l_max = inputs
    ctx.save_for_backward(one, two)


def _slopes_backward(ctx: Any, cotangent: Tensor) -> tuple[Any, ...]:
    """P is linear in each argument: the cotangent takes the place of the one that was wanted."""
    given = dict(zip(slopes.GIVEN[ctx.wanted], ctx.saved_tensors, strict=True))
    given[ctx.wanted] = cotangent
    found = []
    for needed, argument in zip(wanted(ctx), slopes.GIVEN[ctx.wanted], strict=False):
        one, two = slopes.GIVEN[argument]
        found.append(slope_form(given[one], given[two], argument, ctx.l_max) if needed else None)
    return *found, None, None


slope_form = operator(
    "solid_harmonics_slopes_triton(Tensor one, Tensor two, str wanted, int l_max) -> Tensor",
    _slopes,
    _fake_slopes,
    _keep_slopes,
    _slopes_backward,
)


def _keep_values(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    r, ctx.l_max = inputs
    ctx.save_for_backward(r, output)


def _solid_backward(ctx: Any, g: Tensor) -> tuple[Any, ...]:
    _, S = ctx.saved_tensors
    return slope_form(g, S, "h", ctx.l_max), None


def _spherical_backward(ctx: Any, g: Tensor) -> tuple[Any, ...]:
    r, Y = ctx.saved_tensors
    r = r.contiguous()  # sums over strided rows have another order
    square = (r * r).sum(-1, keepdim=True)
    directed = square > 0
    inverse = torch.where(directed, torch.where(directed, square, 1).rsqrt(), 0)
    u, v = r * inverse, slope_form(g, Y, "h", ctx.l_max)
    return inverse * (v - u * (u * v).sum(-1, keepdim=True)), None


solid = operator(
    "solid_harmonics_triton(Tensor r, int l_max) -> Tensor",
    lambda r, l_max: _values(r, l_max, on_sphere=False),
    _fake_values,
    _keep_values,
    _solid_backward,
)
spherical = operator(
    "spherical_harmonics_triton(Tensor r, int l_max) -> Tensor",
    lambda r, l_max: _values(r, l_max, on_sphere=True),
    _fake_values,
    _keep_values,
    _spherical_backward,
)


def solid_harmonics(r: Float[Tensor, "*batch 3"], l_max: int) -> Float[Tensor, "*batch lm"]:
    """r^l Y_lm for any leading axes."""
    return solid(r.reshape(-1, 3), l_max).reshape(*r.shape[:-1], (l_max + 1) ** 2)


def spherical_harmonics(r: Float[Tensor, "*batch 3"], l_max: int) -> Float[Tensor, "*batch lm"]:
    """Y_lm(r/|r|) for any leading axes."""
    return spherical(r.reshape(-1, 3), l_max).reshape(*r.shape[:-1], (l_max + 1) ** 2)
