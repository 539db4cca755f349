"""The convolution, its transposes and its derivatives, made by kernels that are started one after the other.

With the form that is linear in each of four arguments,

    T(g, x, Y, w) = Σ_edges Σ_paths Σ C[i, e, o] g[centre, o] x[neighbour, i] Y[e] w[path],

``convolve`` is ∂T/∂g, ``spread`` is ∂T/∂x, and ``gradients`` is (∂T/∂Y, ∂T/∂w). ``second`` is the derivative
of all three gradients at once, by three kernels, each of which reads the weights of an edge once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch

from atomscape.ops.convolution import Coupling
from atomscape.ops.gpu import edges, gather, second_edges, second_gather
from atomscape.ops.gpu.ends import Ends
from atomscape.ops.gpu.launch import WARPS, block, on, programs, real, wide
from atomscape.ops.gpu.source import kernel
from atomscape.ops.terms import Term, groups, terms
from atomscape.shapes import Float, Tensor

TERMS = 192
"""Most coefficients in one kernel: it compiles in a second, and ptxas keeps its values in registers."""

Writer = Callable[[Sequence[Term], tuple[int, int, int, int], set[int], Sequence[int]], str]


@cache
def gather_kernels(coupling: Coupling, transposed: bool, second: bool = False) -> tuple[Any, ...]:
    """Kernels that one after the other make the convolution or its transpose; or the ``second`` of either."""
    all_terms = tuple(t.transposed() for t in terms(coupling)) if transposed else terms(coupling)
    lm_in, lm_out = coupling.lm_in, coupling.lm_out
    lm_in, lm_out = (lm_out, lm_in) if transposed else (lm_in, lm_out)
    writer = gather.text
    if second:
        writer = second_gather.text_transposed if transposed else second_gather.text
    return _kernels(writer, all_terms, coupling, lm_in, lm_out, lambda t: t.rows_out, lm_out)


@cache
def edge_kernels(coupling: Coupling, second: bool = False) -> tuple[Any, ...]:
    """Kernels that one after the other make the gradients of harmonics and weights, or their derivatives."""
    lm = coupling.lm_in, coupling.lm_out
    writer = second_edges.text if second else edges.text
    return _kernels(writer, terms(coupling), coupling, *lm, lambda t: t.rows_edge, (coupling.l_edge + 1) ** 2)


def _kernels(
    writer: Writer,
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
        made.append(kernel(writer(group, sizes, begun, empty)))
        begun |= {row for term in group for row in summed(term)}
        empty = []
    return tuple(made)


Sent = Float[Tensor, "atoms lm_in channels"]
Received = Float[Tensor, "atoms lm_out channels"]
Harmonics = Float[Tensor, "edges lm_edge"]
Weights = Float[Tensor, "edges paths channels"]


def convolve(x: Sent, Y: Harmonics, w: Weights, ends: Ends, coupling: Coupling) -> Received:
    """∂T/∂g."""
    return _gathered(gather_kernels(coupling, False), (x,), (Y, w), ends, coupling.lm_out)


def spread(g: Received, Y: Harmonics, w: Weights, ends: Ends, coupling: Coupling) -> Sent:
    """∂T/∂x."""
    return _gathered(gather_kernels(coupling, True), (g,), (Y, w), ends, coupling.lm_in, transposed=True)


def gradients(
    g: Received, x: Sent, Y: Harmonics, w: Weights, ends: Ends, coupling: Coupling
) -> tuple[Harmonics, Weights]:
    """∂T/∂Y and ∂T/∂w."""
    return _of_edges(edge_kernels(coupling), (g, x), (Y,), (w,), ends)


def second(
    h: Sent,
    a: Harmonics,
    b: Weights,
    g: Received,
    x: Sent,
    Y: Harmonics,
    w: Weights,
    ends: Ends,
    coupling: Coupling,
) -> tuple[Received, Sent, Harmonics, Weights]:
    """Derivative of T(g, h, Y, w) + T(g, x, a, w) + T(g, x, Y, b) with respect to g, x, Y and w.

    This is what a second backward pass asks for: h, a and b are cotangents of the gradients of x, Y and w.
    """
    given = Y, a, w, b
    dg = _gathered(gather_kernels(coupling, False, second=True), (x, h), given, ends, coupling.lm_out)
    dx = _gathered(gather_kernels(coupling, True, second=True), (g,), given, ends, coupling.lm_in, True)
    return dg, dx, *_of_edges(edge_kernels(coupling, second=True), (g, x, h), (Y, a), (w, b), ends)


def _gathered(
    kernels: Sequence[Any],
    features: tuple[Tensor, ...],
    given: tuple[Tensor, ...],
    ends: Ends,
    lm: int,
    transposed: bool = False,
) -> Tensor:
    """Sums over the edges of each atom: those it receives by, or, if ``transposed``, those it sends by."""
    x = features[0]
    atoms, _, channels = x.shape
    order, first, other = ends.neighbour, ends.first, ends.neighbour
    if transposed:
        order, first, other = ends.sent(atoms)
    out = x.new_empty(atoms, lm, channels, dtype=x.dtype if len(kernels) == 1 else wide(x.dtype))
    width = block(channels, lm + sum(f.shape[1] for f in features), x.dtype)
    arguments = [t.contiguous() for t in (*features, *given, out, first, other, order)]
    with on(x):
        for each in kernels:
            each[atoms, programs(channels, width)](
                *arguments,
                channels,
                ORDERED=not transposed,
                REAL=real(x.dtype),
                BLOCK=width,
                num_warps=WARPS,
            )
    return out.to(x.dtype)


def _of_edges(
    kernels: Sequence[Any],
    features: tuple[Tensor, ...],
    harmonics: tuple[Tensor, ...],
    weights: tuple[Tensor, ...],
    ends: Ends,
) -> tuple[Tensor, Tensor]:
    """Gradients of the first harmonics and the first weights; the first features are those of the centres."""
    Y, w = harmonics[0], weights[0]
    dtype = Y.dtype if len(kernels) == 1 else wide(Y.dtype)
    dY = torch.empty_like(Y, dtype=dtype, memory_format=torch.contiguous_format)
    dw = torch.empty_like(w, memory_format=torch.contiguous_format)
    given = (*features, *harmonics, *weights, dY, dw, ends.centre, ends.neighbour)
    arguments = [t.contiguous() for t in given]
    n, channels = w.shape[0], w.shape[2]
    width = block(channels, sum(f.shape[1] for f in features) + Y.shape[1], w.dtype)
    with on(w):
        for each in kernels:
            each[(programs(n, edges.EACH),)](
                *arguments,
                channels,
                n,
                EACH=edges.EACH,
                REAL=real(w.dtype),
                BLOCK=width,
                num_warps=WARPS,
            )
    return dY.to(Y.dtype), dw
