"""The convolution and all its derivatives as three operators that differentiate into one another.

The convolution is the derivative with respect to g of a form that is linear in each of four arguments,

    T(g, x, Y, w) = Σ_edges Σ_paths Σ C[i, e, o] g[centre, o] x[neighbour, i] Y[e] w[path].

``convolve`` is ∂T/∂g, ``spread`` is ∂T/∂x, and ``gradients`` is (∂T/∂Y, ∂T/∂w). The derivative of any of them
is again one of them with an argument exchanged, so there are derivatives of every order and no other kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple
from functools import cache
from types import ModuleType
from typing import Any

import torch

from atomscape.ops.convolution import Coupling
from atomscape.ops.gpu import edges, gather
from atomscape.ops.gpu.ends import Ends
from atomscape.ops.gpu.launch import WARPS, block, on, programs, real, wide
from atomscape.ops.gpu.library import operator
from atomscape.ops.gpu.source import kernel
from atomscape.ops.jit.derivatives import wanted
from atomscape.ops.terms import Term, groups, terms
from atomscape.shapes import Float, Tensor

TERMS = 192
"""Most coefficients in one kernel: it compiles in a second, and ptxas keeps its values in registers."""

_GRAPH = "Tensor centre, Tensor neighbour, Tensor first, Tensor? order, Tensor? first_sent"
_COUPLING = "int l_in, int l_edge, int l_out, str parity, bool pseudo_in"
_REST = f"{_GRAPH}, {_COUPLING}"


@cache
def gather_kernels(coupling: Coupling, transposed: bool) -> tuple[Any, ...]:
    """Kernels that one after the other make the convolution, or its transpose."""
    all_terms = tuple(t.transposed() for t in terms(coupling)) if transposed else terms(coupling)
    lm_in, lm_out = coupling.lm_in, coupling.lm_out
    lm_in, lm_out = (lm_out, lm_in) if transposed else (lm_in, lm_out)
    return _kernels(gather, all_terms, coupling, lm_in, lm_out, lambda t: t.rows_out, lm_out)


@cache
def edge_kernels(coupling: Coupling) -> tuple[Any, ...]:
    """Kernels that one after the other make the gradients of harmonics and weights."""
    lm = coupling.lm_in, coupling.lm_out
    return _kernels(edges, terms(coupling), coupling, *lm, lambda t: t.rows_edge, (coupling.l_edge + 1) ** 2)


def _kernels(
    writer: ModuleType,
    all_terms: tuple[Term, ...],
    coupling: Coupling,
    lm_in: int,
    lm_out: int,
    summed: Callable[[Term], range],
    length: int,
) -> tuple[Any, ...]:
    """One kernel for each group of terms; ``summed`` are the rows a term adds to, of ``length`` in all."""
    sizes = lm_in, (coupling.l_edge + 1) ** 2, lm_out, len(coupling.paths)
    begun: set[int] = set()
    empty = sorted(set(range(length)) - {row for term in all_terms for row in summed(term)})
    made = []
    for group in groups(all_terms, TERMS, key=lambda t: (t.rows_out.start, t.rows_in.start)):
        made.append(kernel(writer.text(group, sizes, begun, empty)))
        begun |= {row for term in group for row in summed(term)}
        empty = []
    return tuple(made)


def _gathered(
    features: Tensor,
    Y: Tensor,
    w: Tensor,
    first: Tensor,
    other: Tensor,
    order: Tensor | None,
    coupling: Coupling,
) -> Tensor:
    """Sum over the edges that ``first`` bounds: along them, or, if there is an ``order``, against them."""
    atoms, _, channels = features.shape
    kernels = gather_kernels(coupling, transposed=order is not None)
    lm = coupling.lm_out if order is None else coupling.lm_in
    dtype = features.dtype if len(kernels) == 1 else wide(features.dtype)
    out = features.new_empty(atoms, lm, channels, dtype=dtype)
    width = block(channels, features.dtype)
    arguments = [
        t.contiguous() for t in (features, Y, w, out, first, other, other if order is None else order)
    ]
    with on(features):
        for each in kernels:
            each[atoms, programs(channels, width)](
                *arguments,
                channels,
                ORDERED=order is None,
                REAL=real(features.dtype),
                BLOCK=width,
                num_warps=WARPS,
            )
    return out.to(features.dtype)


def _convolve(x: Tensor, Y: Tensor, w: Tensor, *rest: Any) -> Tensor:
    ends, coupling = _read(rest)
    return _gathered(x, Y, w, ends.first, ends.neighbour, None, coupling)


def _spread(g: Tensor, Y: Tensor, w: Tensor, *rest: Any) -> Tensor:
    ends, coupling = _read(rest)
    order, first = ends.sent(g.shape[0])
    return _gathered(g, Y, w, first, ends.centre.index_select(0, order), order, coupling)


def _gradients(g: Tensor, x: Tensor, Y: Tensor, w: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
    ends, coupling = _read(rest)
    kernels = edge_kernels(coupling)
    dY = torch.empty_like(
        Y,
        dtype=Y.dtype if len(kernels) == 1 else wide(Y.dtype),
        memory_format=torch.contiguous_format,
    )
    dw = torch.empty_like(w, memory_format=torch.contiguous_format)
    arguments = [t.contiguous() for t in (g, x, Y, w, dY, dw, ends.centre, ends.neighbour)]
    channels = x.shape[2]
    with on(x):
        for each in kernels:
            each[(w.shape[0],)](
                *arguments, channels, REAL=real(x.dtype), BLOCK=block(channels, x.dtype), num_warps=WARPS
            )
    return dY.to(Y.dtype), dw


def _read(rest: tuple[Any, ...]) -> tuple[Ends, Coupling]:
    return Ends(*rest[:5]), Coupling(*rest[5:])


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    """Save all tensors; the last five inputs describe the coupling."""
    ctx.save_for_backward(*inputs[:-5])
    ctx.coupling = inputs[-5:]


def _convolve_backward(ctx: Any, g: Tensor) -> tuple[Any, ...]:
    x, Y, w, *ends = ctx.saved_tensors
    rest = (*ends, *ctx.coupling)
    need_x, *need = wanted(ctx)[:3]
    dx = spread(g, Y, w, *rest) if need_x else None
    dY, dw = gradients(g, x, Y, w, *rest) if any(need) else (None, None)
    return dx, dY, dw, *[None] * 10


def _spread_backward(ctx: Any, h: Tensor) -> tuple[Any, ...]:
    g, Y, w, *ends = ctx.saved_tensors
    rest = (*ends, *ctx.coupling)
    need_g, *need = wanted(ctx)[:3]
    dg = convolve(h, Y, w, *rest) if need_g else None
    dY, dw = gradients(g, h, Y, w, *rest) if any(need) else (None, None)
    return dg, dY, dw, *[None] * 10


def _gradients_backward(ctx: Any, a: Tensor, b: Tensor) -> tuple[Any, ...]:
    """Derivative of T(g, x, a, w) + T(g, x, Y, b)."""
    g, x, Y, w, *ends = ctx.saved_tensors
    rest = (*ends, *ctx.coupling)
    need_g, need_x, *need = wanted(ctx)[:4]
    dg = convolve(x, a, w, *rest) + convolve(x, Y, b, *rest) if need_g else None
    dx = spread(g, a, w, *rest) + spread(g, Y, b, *rest) if need_x else None
    dY, dw = gradients(g, x, a, b, *rest) if any(need) else (None, None)
    return dg, dx, dY, dw, *[None] * 10


convolve = operator(
    f"convolution_triton(Tensor x, Tensor Y, Tensor w, {_REST}) -> Tensor",
    _convolve,
    lambda x, Y, w, *rest: x.new_empty(x.shape[0], _read(rest)[1].lm_out, x.shape[2]),
    _keep,
    _convolve_backward,
)
spread = operator(
    f"convolution_spread_triton(Tensor g, Tensor Y, Tensor w, {_REST}) -> Tensor",
    _spread,
    lambda g, Y, w, *rest: g.new_empty(g.shape[0], _read(rest)[1].lm_in, g.shape[2]),
    _keep,
    _spread_backward,
)
gradients = operator(
    f"convolution_gradients_triton(Tensor g, Tensor x, Tensor Y, Tensor w, {_REST}) -> (Tensor, Tensor)",
    _gradients,
    lambda g, x, Y, w, *rest: (Y.new_empty(Y.shape), w.new_empty(w.shape)),
    _keep,
    _gradients_backward,
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
