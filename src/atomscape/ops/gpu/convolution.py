"""The convolution and all its derivatives as operators that differentiate into one another.

``gpu.forms`` has the form T(g, x, Y, w) that all are derivatives of. Each is linear in each argument, so the
derivative of one of them is again one of them with an argument exchanged: there are derivatives of every
order. Where all gradients are asked for, ``backward`` makes them, and its own derivative takes three kernels.
"""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

from atomscape.ops.convolution import Coupling
from atomscape.ops.gpu import forms
from atomscape.ops.gpu.ends import Ends
from atomscape.ops.gpu.library import operator
from atomscape.ops.jit.derivatives import derive_composed, given_or_nothing, wanted
from atomscape.shapes import Float, Tensor

_GRAPH = "Tensor centre, Tensor neighbour, Tensor first, Tensor? order, Tensor? first_sent, Tensor? receiver"
_COUPLING = "int l_in, int l_edge, int l_out, str parity, bool pseudo_in"
_REST = f"{_GRAPH}, {_COUPLING}"
_NO_MORE = [None] * 11
"""Gradients of ends and coupling."""


def _read(rest: tuple[Any, ...]) -> tuple[Ends, Coupling]:
    return Ends(*rest[:6]), Coupling(*rest[6:])


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    """Save all tensors; the last five inputs describe the coupling."""
    ctx.save_for_backward(*inputs[:-5])
    ctx.rest = inputs[-5:]


def _convolve_backward(ctx: Any, g: Tensor) -> tuple[Any, ...]:
    x, Y, w, *ends = ctx.saved_tensors
    rest = (*ends, *ctx.rest)
    need_x, *need = wanted(ctx)[:3]
    if need_x and any(need):
        return *backward(g, x, Y, w, *rest), *_NO_MORE
    dx = spread(g, Y, w, *rest) if need_x else None
    dY, dw = gradients(g, x, Y, w, *rest) if any(need) else (None, None)
    return dx, dY, dw, *_NO_MORE


def _spread_backward(ctx: Any, h: Tensor) -> tuple[Any, ...]:
    g, Y, w, *ends = ctx.saved_tensors
    rest = (*ends, *ctx.rest)
    need_g, *need = wanted(ctx)[:3]
    dg = convolve(h, Y, w, *rest) if need_g else None
    dY, dw = gradients(g, h, Y, w, *rest) if any(need) else (None, None)
    return dg, dY, dw, *_NO_MORE


def _gradients_backward(ctx: Any, a: Tensor, b: Tensor) -> tuple[Any, ...]:
    """Derivative of T(g, x, a, w) + T(g, x, Y, b)."""
    g, x, Y, w, *ends = ctx.saved_tensors
    rest = (*ends, *ctx.rest)
    need_g, need_x, *need = wanted(ctx)[:4]
    dg = convolve(x, a, w, *rest) + convolve(x, Y, b, *rest) if need_g else None
    dx = spread(g, a, w, *rest) + spread(g, Y, b, *rest) if need_x else None
    dY, dw = gradients(g, x, a, b, *rest) if any(need) else (None, None)
    return dg, dx, dY, dw, *_NO_MORE


def _backward_backward(ctx: Any, h: Tensor, a: Tensor, b: Tensor) -> tuple[Any, ...]:
    need = wanted(ctx)[:4]
    if not any(need):
        return *[None] * 4, *_NO_MORE
    found = second(h, a, b, *ctx.saved_tensors, *ctx.rest)
    return *given_or_nothing(found, need), *_NO_MORE


def _second_by_parts(
    h: Tensor, a: Tensor, b: Tensor, g: Tensor, x: Tensor, Y: Tensor, w: Tensor, *rest: Any
) -> tuple[Tensor, ...]:
    """``second``, made of operators that have a derivative."""
    dg = convolve(h, Y, w, *rest) + convolve(x, a, w, *rest) + convolve(x, Y, b, *rest)
    dx = spread(g, a, w, *rest) + spread(g, Y, b, *rest)
    (dY, dw), (eY, ew) = gradients(g, h, Y, w, *rest), gradients(g, x, a, b, *rest)
    return dg, dx, dY + eY, dw + ew


def _like(*tensors: Tensor) -> tuple[Tensor, ...]:
    return tuple(t.new_empty(t.shape) for t in tensors)


convolve = operator(
    f"convolution_triton(Tensor x, Tensor Y, Tensor w, {_REST}) -> Tensor",
    lambda x, Y, w, *rest: forms.convolve(x, Y, w, *_read(rest)),
    lambda x, Y, w, *rest: x.new_empty(x.shape[0], _read(rest)[1].lm_out, x.shape[2]),
    _keep,
    _convolve_backward,
)
spread = operator(
    f"convolution_spread_triton(Tensor g, Tensor Y, Tensor w, {_REST}) -> Tensor",
    lambda g, Y, w, *rest: forms.spread(g, Y, w, *_read(rest)),
    lambda g, Y, w, *rest: g.new_empty(g.shape[0], _read(rest)[1].lm_in, g.shape[2]),
    _keep,
    _spread_backward,
)
gradients = operator(
    f"convolution_gradients_triton(Tensor g, Tensor x, Tensor Y, Tensor w, {_REST}) -> (Tensor, Tensor)",
    lambda g, x, Y, w, *rest: forms.gradients(g, x, Y, w, *_read(rest)),
    lambda g, x, Y, w, *rest: _like(Y, w),
    _keep,
    _gradients_backward,
)
backward = operator(
    f"convolution_backward_triton(Tensor g, Tensor x, Tensor Y, Tensor w, {_REST})"
    " -> (Tensor, Tensor, Tensor)",
    lambda g, x, Y, w, *rest: (
        forms.spread(g, Y, w, *_read(rest)),
        *forms.gradients(g, x, Y, w, *_read(rest)),
    ),
    lambda g, x, Y, w, *rest: _like(x, Y, w),
    _keep,
    _backward_backward,
)
second = operator(
    "convolution_second_triton(Tensor h, Tensor a, Tensor b, Tensor g, Tensor x, Tensor Y, Tensor w, "
    f"{_REST}) -> (Tensor, Tensor, Tensor, Tensor)",
    lambda h, a, b, g, x, Y, w, *rest: forms.second(h, a, b, g, x, Y, w, *_read(rest)),
    lambda h, a, b, g, x, Y, w, *rest: _like(g, x, Y, w),
    _keep,
    derive_composed(_second_by_parts, floating=7),
)


def convolution(
    x: Float[Tensor, "atoms lm_in channels"],
    Y: Float[Tensor, "edges lm_edge"],
    w: Float[Tensor, "edges paths channels"],
    ends: Ends,
    coupling: Coupling,
) -> Float[Tensor, "atoms lm_out channels"]:
    """Equivariant convolution; ``atomscape.ops.convolution`` has the formula."""
    return convolve(x, Y, w, *ends, *astuple(coupling))
