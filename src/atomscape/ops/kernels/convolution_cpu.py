"""The convolution on CPUs: native code written from the Clebsch–Gordan tables (``jit/convolve.py``).

Three torch operators: the convolution, its gradient and the gradient of that. Each is the derivative of the
one before; derivatives beyond are compositions of these, because the convolution is linear in each argument.
"""

from __future__ import annotations

import torch

from atomscape.ops.convolution import Coupling
from atomscape.ops.jit import edge_kernels as kernels
from atomscape.ops.jit.derivatives import asked, define, derive_composed, given_or_nothing, like, wanted
from atomscape.ops.jit.launch import declined, not_indices
from atomscape.shapes import Float, Int, Tensor


def serves(
    x: Tensor, Y: Tensor, w: Tensor, centre: Tensor, neighbour: Tensor, coupling: Coupling
) -> str | None:
    """Serve float32 and float64 tensors on the CPU, degrees up to 6."""
    return declined(x, Y, w) or not_indices(centre, neighbour) or kernels.too_high(coupling)


def run(
    x: Float[Tensor, "atoms lm_in channels"],
    Y: Float[Tensor, "edges lm_edge"],
    w: Float[Tensor, "edges paths channels"],
    centre: Int[Tensor, " edges"],
    neighbour: Int[Tensor, " edges"],
    coupling: Coupling,
) -> Float[Tensor, "atoms lm_out channels"]:
    """Same as the reference."""
    numbers = kernels.numbers_of(coupling)
    return _operator(x, Y, w, centre.long(), neighbour.long(), numbers)


def _forward(x, Y, w, centre, neighbour, coupling):
    given = kernels.named(coupling, "x Y w centre neighbour", x, Y, w, centre, neighbour)
    given["out"] = x.new_zeros(_shape(x, coupling))
    kernels.run_forward(kernels.variant(x, coupling), given)
    return given["out"]


def _shape(x, coupling):
    return x.shape[0], kernels.coupling_of(coupling).lm_out, x.shape[2]


def _backward(g, x, Y, w, centre, neighbour, coupling, need):
    given = kernels.named(coupling, "g x Y w centre neighbour", g, x, Y, w, centre, neighbour)
    given |= _gradients(given, need)
    stream = kernels.streams(given["dw"])
    kernels.run_backward(kernels.variant(x, coupling, need=tuple(need), stream=stream), given)
    return given["dx"], given["dY"], given["dw"]


def _second(g, x, Y, w, a, b, c, centre, neighbour, coupling, need):
    given = kernels.named(coupling, "g x Y w a b c centre neighbour", g, x, Y, w, a, b, c, centre, neighbour)
    given |= _gradients(given, need[1:])
    given["dg"] = torch.zeros_like(given["g"]) if need[0] else g.new_empty(0)
    stream = kernels.streams(given["dw"])
    v = kernels.variant(x, coupling, order=2, need=tuple(need[1:]), need_g=need[0], stream=stream)
    kernels.run_backward(v, given)
    return given["dg"], given["dx"], given["dY"], given["dw"]


def _gradients(given: dict[str, Tensor], need: list[bool]) -> dict[str, Tensor]:
    """Memory for the gradients asked for; none for the others. dw is written, the others are summed."""
    x, Y, w = given["x"], given["Y"], given["w"]
    return {
        "dx": torch.zeros_like(x) if need[0] else x.new_empty(0),
        "dY": torch.zeros_like(Y) if need[1] else x.new_empty(0),
        "dw": torch.empty_like(w) if need[2] else x.new_empty(0),
    }


def _derive(ctx, g):
    need = wanted(ctx)[:3]
    if g is None:
        return (None,) * 6
    found = BACKWARD(g, *ctx.saved_tensors, *ctx.rest, need)
    return *given_or_nothing(found, need), None, None, None


def _derive_again(ctx, *cotangents):
    need = wanted(ctx)[:4]
    cotangents = asked(cotangents, ctx.rest[1])
    if all(t is None for t in cotangents):
        return (None,) * 8
    g, x, Y, w, *indices = ctx.saved_tensors
    filled = (torch.zeros_like(t) if d is None else d for d, t in zip(cotangents, (x, Y, w), strict=True))
    found = SECOND(g, x, Y, w, *filled, *indices, ctx.rest[0], need)
    return *given_or_nothing(found, need), None, None, None, None


def _composed(g, x, Y, w, a, b, c, centre, neighbour, coupling, need):
    """The second derivative from the convolution and its gradient, each of which can be derived again."""
    rest = centre, neighbour, coupling
    f, back = _operator, BACKWARD
    dg = f(a, Y, w, *rest) + f(x, b, w, *rest) + f(x, Y, c, *rest)
    _, Y1, w1 = back(g, a, Y, w, *rest, [False, True, True])
    x2, _, w2 = back(g, x, b, w, *rest, [True, False, True])
    x3, Y3, _ = back(g, x, Y, c, *rest, [True, True, False])
    return dg, x2 + x3, Y1 + Y3, w1 + w2


_INDICES = "Tensor centre, Tensor neighbour, int[] coupling"
_operator = define(
    "convolution_cpu",
    f"(Tensor x, Tensor Y, Tensor w, {_INDICES}) -> Tensor",
    _forward,
    lambda x, Y, w, i, j, k: x.new_empty(_shape(x, k)),
    _derive,
)
BACKWARD = define(
    "convolution_cpu_backward",
    f"(Tensor g, Tensor x, Tensor Y, Tensor w, {_INDICES}, bool[] need) -> (Tensor, Tensor, Tensor)",
    _backward,
    lambda g, x, Y, w, i, j, k, need: like((x, Y, w), need),
    _derive_again,
)
SECOND = define(
    "convolution_cpu_second",
    "(Tensor g, Tensor x, Tensor Y, Tensor w, Tensor a, Tensor b, Tensor c, "
    f"{_INDICES}, bool[] need) -> (Tensor, Tensor, Tensor, Tensor)",
    _second,
    lambda g, x, Y, w, a, b, c, i, j, k, need: like((g, x, Y, w), need),
    derive_composed(_composed, floating=7),
)
