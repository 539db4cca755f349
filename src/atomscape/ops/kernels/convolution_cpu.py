"""The convolution on CPUs: native code written from the Clebsch–Gordan tables (``jit/convolve.py``).

Three torch operators: the convolution, its gradient and the gradient of that. Each is the derivative of the one
before; derivatives beyond are compositions of these, because the convolution is linear in each argument.
"""

from __future__ import annotations

from functools import cache

import torch

from atomscape.ops.convolution import Coupling, Parity
from atomscape.ops.jit import convolve, launch
from atomscape.ops.jit.compile import address_of
from atomscape.ops.jit.convolve import Variant
from atomscape.ops.jit.derivatives import define, derive_composed, given_or_nothing, like, wanted
from atomscape.ops.jit.team import threads_for
from atomscape.shapes import Float, Int, Tensor

HIGHEST = 6
_PARITIES: tuple[Parity, ...] = ("natural", "both", "so3")
_STREAM = 1 << 22  # bytes of dw that would push everything else out of the caches


def serves(
    x: Tensor, Y: Tensor, w: Tensor, centre: Tensor, neighbour: Tensor, coupling: Coupling
) -> str | None:
    """Serve float32 and float64 tensors on the CPU, degrees up to 6."""
    return launch.declined(x, Y, w) or too_high(coupling)


def too_high(coupling: Coupling) -> str | None:
    """Why a coupling has no kernel, or None."""
    top = max(coupling.l_in, coupling.l_edge, coupling.l_out)
    return None if top <= HIGHEST else f"degree {top}; kernels are written up to degree {HIGHEST}"


def run(
    x: Float[Tensor, "atoms lm_in channels"],
    Y: Float[Tensor, "edges lm_edge"],
    w: Float[Tensor, "edges paths channels"],
    centre: Int[Tensor, " edges"],
    neighbour: Int[Tensor, " edges"],
    coupling: Coupling,
) -> Float[Tensor, "atoms lm_out channels"]:
    """Same as the reference."""
    return torch.ops.atomscape.convolution_cpu(x, Y, w, centre, neighbour, numbers_of(coupling))


def numbers_of(coupling: Coupling) -> list[int]:
    """Write a coupling as the numbers that a torch operator can take."""
    k = coupling
    return [k.l_in, k.l_edge, k.l_out, _PARITIES.index(k.parity), int(k.pseudo_in)]


@cache
def _coupling(numbers: tuple[int, ...]) -> Coupling:
    l_in, l_edge, l_out, parity, pseudo = numbers
    return Coupling(l_in, l_edge, l_out, _PARITIES[parity], bool(pseudo))


def coupling_of(numbers: list[int]) -> Coupling:
    """Coupling of its numbers."""
    return _coupling(tuple(numbers))


@cache
def address(kernel: str, variant: Variant) -> int:
    """Address of a kernel of ``jit/convolve.py``, compiled when first asked for."""
    write = {"forward": convolve.forward, "backward": convolve.backward}[kernel]
    return address_of(f"convolution_{kernel}", (variant,), lambda: write(variant))


def basics(x: Tensor, coupling: Coupling) -> dict:
    """Fields of a variant that follow from the features."""
    channels = x.shape[2]
    lanes = launch.lanes_for(x.dtype, channels)
    return {
        "coupling": coupling,
        "number": launch.NUMBER[x.dtype],
        "lanes": lanes,
        "tail": channels % lanes != 0,
    }


def work(coupling: Coupling, edges: int, channels: int) -> float:
    """Multiplications of one pass, roughly."""
    return 5.0 * len(coupling.paths) * edges * channels


def _launch(kernel: str, variant: Variant, tensors: dict[str, Tensor], key: str) -> None:
    centre, neighbour, x = (tensors[n] for n in ("centre", "neighbour", "x"))
    edges, (rows, _, channels) = len(centre), x.shape
    if 0 in (edges, channels):
        return
    order = {"centre": (centre, neighbour), "neighbour": (neighbour, centre)}[key]
    threads = threads_for(work(variant.coupling, edges, channels))
    given = tensors | {
        "sequence": launch.sequence(*order, rows),
        "edges": edges,
        "channels": channels,
        "slices": 1 if threads == 1 else 4 * threads,
    }
    launch.call(address(kernel, variant), convolve.ARGUMENTS, given, threads)


def _named(names: str, *tensors: Tensor) -> dict[str, Tensor]:
    return {n: t.contiguous() for n, t in zip(names.split(), tensors, strict=True)}


def _forward(x, Y, w, centre, neighbour, coupling):
    k = coupling_of(coupling)
    given = _named("x Y w centre neighbour", x, Y, w, centre, neighbour)
    given["out"] = x.new_zeros(x.shape[0], k.lm_out, x.shape[2])
    _launch("forward", Variant(**basics(x, k)), given, "centre")
    return given["out"]


def _backward(g, x, Y, w, centre, neighbour, coupling, need):
    k = coupling_of(coupling)
    given = _named("g x Y w centre neighbour", g, x, Y, w, centre, neighbour)
    given |= _gradients(given, need)
    stream = given["dw"].nbytes > _STREAM
    variant = Variant(**basics(x, k), need=tuple(need), stream=stream and not basics(x, k)["tail"])
    _launch("backward", variant, given, "neighbour")
    return given["dx"], given["dY"], given["dw"]


def _second(g, x, Y, w, a, b, c, centre, neighbour, coupling, need):
    k = coupling_of(coupling)
    given = _named("g x Y w a b c centre neighbour", g, x, Y, w, a, b, c, centre, neighbour)
    given |= _gradients(given, need[1:])
    given["out"] = torch.zeros_like(given["g"]) if need[0] else g.new_empty(0)
    known = basics(x, k)
    if need[0]:
        _launch("forward", Variant(**known, order=2), given, "centre")
    if any(need[1:]):
        stream = given["dw"].nbytes > _STREAM and not known["tail"]
        variant = Variant(**known, order=2, need=tuple(need[1:]), stream=stream)
        _launch("backward", variant, given, "neighbour")
    return given["out"], given["dx"], given["dY"], given["dw"]


def _gradients(given: dict[str, Tensor], need: list[bool]) -> dict[str, Tensor]:
    """Memory for the gradients asked for; of the others nothing. dw is written, the others are summed."""
    x, Y, w = given["x"], given["Y"], given["w"]
    none = x.new_empty(0)
    empty = not len(Y)
    return {
        "dx": torch.zeros_like(x) if need[0] else none,
        "dY": torch.zeros_like(Y) if need[1] else none.clone(),
        "dw": (torch.zeros_like(w) if empty else torch.empty_like(w)) if need[2] else none.clone(),
    }


def _derive(ctx, g):
    need = wanted(ctx)[:3]
    if g is None:
        return (None,) * 6
    found = torch.ops.atomscape.convolution_cpu_backward(g, *ctx.saved_tensors, ctx.rest[0], need)
    return *given_or_nothing(found, need), None, None, None


def _derive_again(ctx, *cotangents):
    g, x, Y, w, centre, neighbour = ctx.saved_tensors
    need = wanted(ctx)[:4]
    if all(t is None for t in cotangents):
        return (None,) * 8
    a, b, c = (torch.zeros_like(t) if d is None else d for d, t in zip(cotangents, (x, Y, w), strict=True))
    found = torch.ops.atomscape.convolution_cpu_second(
        g, x, Y, w, a, b, c, centre, neighbour, ctx.rest[0], need
    )
    return *given_or_nothing(found, need), None, None, None, None


def _composed(g, x, Y, w, a, b, c, centre, neighbour, coupling, need):
    """The second derivative from the convolution and its gradient, each of which can be derived again."""
    rest = centre, neighbour, coupling
    f, back = torch.ops.atomscape.convolution_cpu, torch.ops.atomscape.convolution_cpu_backward
    dg = f(a, Y, w, *rest) + f(x, b, w, *rest) + f(x, Y, c, *rest)
    _, Y1, w1 = back(g, a, Y, w, *rest, [False, True, True])
    x2, _, w2 = back(g, x, b, w, *rest, [True, False, True])
    x3, Y3, _ = back(g, x, Y, c, *rest, [True, True, False])
    return dg, x2 + x3, Y1 + Y3, w1 + w2


_INDICES = "Tensor centre, Tensor neighbour, int[] coupling"
define(
    "convolution_cpu",
    f"(Tensor x, Tensor Y, Tensor w, {_INDICES}) -> Tensor",
    _forward,
    lambda x, Y, w, i, j, k: x.new_empty(x.shape[0], coupling_of(k).lm_out, x.shape[2]),
    _derive,
)
define(
    "convolution_cpu_backward",
    f"(Tensor g, Tensor x, Tensor Y, Tensor w, {_INDICES}, bool[] need) -> (Tensor, Tensor, Tensor)",
    _backward,
    lambda g, x, Y, w, i, j, k, need: like((x, Y, w), need),
    _derive_again,
)
define(
    "convolution_cpu_second",
    "(Tensor g, Tensor x, Tensor Y, Tensor w, Tensor a, Tensor b, Tensor c, "
    f"{_INDICES}, bool[] need) -> (Tensor, Tensor, Tensor, Tensor)",
    _second,
    lambda g, x, Y, w, a, b, c, i, j, k, need: like((g, x, Y, w), need),
    derive_composed(_composed, floating=7),
)
