"""The convolution with factored radial weights on CPUs: weights are made and taken apart inside the kernels.

As ``convolution_cpu``: the operator, its gradient, and the gradient of that (for W as a layer; a table that
is interpolated is not trained, its second derivative is composed).
"""

from __future__ import annotations

import torch

from atomscape.ops.convolution import Coupling
from atomscape.ops.jit import edge_kernels as kernels
from atomscape.ops.jit.derivatives import asked, define, derive_composed, given_or_nothing, like, wanted
from atomscape.ops.jit.launch import declined, not_indices
from atomscape.ops.kernels import convolution_cpu
from atomscape.ops.radial_convolution import radial_weights
from atomscape.shapes import Float, Int, Tensor


def serves(
    x: Tensor,
    Y: Tensor,
    h: Tensor,
    W: Tensor,
    centre: Tensor,
    neighbour: Tensor,
    coupling: Coupling,
    start: Tensor | None = None,
) -> str | None:
    """Serve float32 and float64 tensors on the CPU, degrees up to 6, up to 128 radial factors."""
    indices = (centre, neighbour) if start is None else (centre, neighbour, start)
    why = declined(x, Y, h, W) or not_indices(*indices) or kernels.too_high(coupling)
    if why is None and not 1 <= h.shape[-1] <= kernels.RANKS:
        return f"{h.shape[-1]} radial factors; kernels hold 1 to {kernels.RANKS}"
    if why is None and start is not None and W.requires_grad and torch.is_grad_enabled():
        return "rows of a table that is trained; kernels interpolate constant tables"
    return why


def run(
    x: Float[Tensor, "atoms lm_in channels"],
    Y: Float[Tensor, "edges lm_edge"],
    h: Float[Tensor, "edges rank"],
    W: Float[Tensor, "rows paths channels"],
    centre: Int[Tensor, " edges"],
    neighbour: Int[Tensor, " edges"],
    coupling: Coupling,
    start: Int[Tensor, " edges"] | None = None,
) -> Float[Tensor, "atoms lm_out channels"]:
    """Same as the reference."""
    if start is not None and start.shape != centre.shape:
        raise ValueError(
            f"radial_convolution: start has shape {list(start.shape)}; it must be [edges = {len(centre)}]"
        )
    first = centre.new_empty(0, dtype=torch.int64) if start is None else start.long()
    numbers = kernels.numbers_of(coupling)
    return _operator(x, Y, h, W, first, centre.long(), neighbour.long(), numbers)


def _check(h: Tensor, W: Tensor, start: Tensor) -> None:
    """Refuse rows that are not there: the kernels would read other memory."""
    rows, rank = len(W), h.shape[1]
    if not start.numel() and len(h):
        if rows != rank:
            raise ValueError(f"{rank} radial factors per edge, but W has {rows} rows; they must be as many")
    elif len(h) and not 0 <= int(start.min()) <= int(start.max()) <= rows - rank:
        raise IndexError(
            f"start runs from {int(start.min())} to {int(start.max())}; with {rank} factors per edge and "
            f"a table of {rows} rows it must stay within 0 … {rows - rank}"
        )


def _variant(x, h, start, coupling, **more):
    radial = "banded" if start.numel() else "dense"
    return kernels.variant(x, coupling, radial=radial, rank=h.shape[1], **more)


def _shape(x, coupling):
    return x.shape[0], kernels.coupling_of(coupling).lm_out, x.shape[2]


def _forward(x, Y, h, W, start, centre, neighbour, coupling):
    given = kernels.named(coupling, "x Y h W start centre neighbour", x, Y, h, W, start, centre, neighbour)
    _check(h, W, start)
    given["out"] = x.new_zeros(_shape(x, coupling))
    kernels.run_forward(_variant(x, h, start, coupling), given)
    return given["out"]


def _backward(g, x, Y, h, W, start, centre, neighbour, coupling, need):
    given = kernels.named(
        coupling, "g x Y h W start centre neighbour", g, x, Y, h, W, start, centre, neighbour
    )
    return _run_backward(given, coupling, need, order=1)


def _second(g, x, Y, h, W, a, b, d, D, start, centre, neighbour, coupling, need):
    names = "g x Y h W a b d D start centre neighbour"
    given = kernels.named(coupling, names, g, x, Y, h, W, a, b, d, D, start, centre, neighbour)
    given["dg"] = torch.zeros_like(given["g"]) if need[0] else g.new_empty(0)
    found = _run_backward(given, coupling, need[1:], order=2, both=D.numel() > 0, need_g=need[0])
    return given["dg"], *found


def _run_backward(given: dict[str, Tensor], coupling, need, **more) -> tuple[Tensor, ...]:
    """Gradients of x, Y, h and W that are asked for."""
    x, Y, h, W, start = (given[n] for n in ("x", "Y", "h", "W", "start"))
    weights = need[2] or need[3]
    made = (need[0], need[1], weights, need[3])
    found = {
        name: torch.zeros_like(t) if wanted else t.new_empty(0)
        for name, t, wanted in zip(("dx", "dY", "dh", "dW"), (x, Y, h, W), made, strict=True)
    }
    v = _variant(x, h, start, coupling, need=made[:3], need_W=need[3], **more)
    kernels.run_backward(v, given | found)
    if not need[2]:
        found["dh"] = h.new_empty(0)
    return tuple(found.values())


def _derive(ctx, g):
    need = wanted(ctx)[:4]
    if g is None:
        return (None,) * 8
    found = _backward_operator(g, *ctx.saved_tensors, *ctx.rest, need)
    return *given_or_nothing(found, need), None, None, None, None


def _derive_again(ctx, *cotangents):
    need = wanted(ctx)[:5]
    cotangents = asked(cotangents, ctx.rest[1])
    if all(t is None for t in cotangents):
        return (None,) * 10
    g, x, Y, h, W, start, *indices = ctx.saved_tensors
    if start.numel():
        return derive_composed(_composed_backward, floating=5)(ctx, *cotangents)
    a, b, d = (
        torch.zeros_like(t) if c is None else c for c, t in zip(cotangents[:3], (x, Y, h), strict=True)
    )
    D = cotangents[3] if cotangents[3] is not None else x.new_empty(0)
    found = _second_operator(g, x, Y, h, W, a, b, d, D, start, *indices, ctx.rest[0], need)
    return *given_or_nothing(found, need), None, None, None, None, None


def _composed_backward(g, x, Y, h, W, start, centre, neighbour, coupling, need):
    """The gradient for a table, from operators that can be derived; the table itself gets none."""
    w = radial_weights(h, W, start)
    back = convolution_cpu.BACKWARD
    dx, dY, dw = back(g, x, Y, w, centre, neighbour, coupling, [need[0], need[1], need[2]])
    none = x.new_empty(0)
    if not need[2]:
        return dx, dY, none, none
    rows = start.unsqueeze(1) + torch.arange(h.shape[1])
    return dx, dY, torch.einsum("epc,ekpc->ek", dw, W[rows]), none


def _composed_second(g, x, Y, h, W, a, b, d, D, start, centre, neighbour, coupling, need):
    """The second derivative with weights written out, from operators that can be derived."""
    flat = W.flatten(1)
    w, c = radial_weights(h, W), radial_weights(d, W)
    if D.numel():
        c = c + radial_weights(h, D)
    rest = centre, neighbour, coupling
    second, back = convolution_cpu.SECOND, convolution_cpu.BACKWARD
    dg, dx, dY, dw = second(g, x, Y, w, a, b, c, *rest, [True] * 4)
    dc = back(g, x, Y, w, *rest, [False, False, True])[2].flatten(1)
    dw = dw.flatten(1)
    dh = dw @ flat.T
    if D.numel():
        dh = dh + dc @ D.flatten(1).T
    return dg, dx, dY, dh, (h.T @ dw + d.T @ dc).view_as(W)


_FACTORS = "Tensor x, Tensor Y, Tensor h, Tensor W"
_INDICES = "Tensor start, Tensor centre, Tensor neighbour, int[] coupling"
_operator = define(
    "radial_convolution_cpu",
    f"({_FACTORS}, {_INDICES}) -> Tensor",
    _forward,
    lambda x, Y, h, W, s, i, j, k: x.new_empty(_shape(x, k)),
    _derive,
)
_backward_operator = define(
    "radial_convolution_cpu_backward",
    f"(Tensor g, {_FACTORS}, {_INDICES}, bool[] need) -> (Tensor, Tensor, Tensor, Tensor)",
    _backward,
    lambda g, x, Y, h, W, s, i, j, k, need: like((x, Y, h, W), need),
    _derive_again,
)
_second_operator = define(
    "radial_convolution_cpu_second",
    f"(Tensor g, {_FACTORS}, Tensor a, Tensor b, Tensor d, Tensor D, {_INDICES}, bool[] need)"
    " -> (Tensor, Tensor, Tensor, Tensor, Tensor)",
    _second,
    lambda g, x, Y, h, W, a, b, d, D, s, i, j, k, need: like((g, x, Y, h, W), need),
    derive_composed(_composed_second, floating=9),
)
