"""Are the Triton kernels right on this device? Against the references in float64, to second derivatives.

Values, gradients for a random cotangent, and gradients of a random combination of these; float64 to 1e-12,
float32 to its own precision. The same graph twice must give the same bits.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from convolution_peers import Problem, Side
from gpu_problem import on_device
from interleaved import deviation, precision
from measure import Row

from atomscape.ops.convolution import Coupling, convolution
from atomscape.ops.harmonics import solid_harmonics, spherical_harmonics
from atomscape.ops.op import REFERENCE

LIMITS = {torch.float64: 1e-12, torch.float32: 2e-5}
KERNEL = "triton"
Tensor = torch.Tensor


def checks(question: str, device: torch.device, quick: bool) -> Iterator[Row]:
    """A row for each case with the largest error of all results.

    Raises
    ------
    SystemExit
        A result is wrong; the message names the case.
    """
    for l_max in (1, 3) if quick else (1, 2, 3, 4, 6, 8):
        for op in (solid_harmonics, spherical_harmonics):
            for dtype in LIMITS:
                r = _random((7 if quick else 1001, 3), l_max).to(device, dtype)
                found = _orders_of_harmonics(op, KERNEL, r, l_max)
                error = _worst(found, _orders_of_harmonics(op, REFERENCE, r.double(), l_max))
                yield _judged(question, f"check {op.name}, l_max {l_max}, {precision(dtype)}", error, dtype)
    for coupling, channels in _couplings(quick):
        for dtype in LIMITS:
            problem = on_device(_small(coupling, channels, quick), device, dtype)
            found = _orders_of_convolution(problem, KERNEL)
            again = _orders_of_convolution(problem, KERNEL)
            exact = on_device(problem, device, torch.float64)
            error = _worst(found, _orders_of_convolution(exact, REFERENCE))
            case = f"check convolution, {_named(coupling)}, {channels} channels, {precision(dtype)}"
            if not all(torch.equal(a, b) for a, b in zip(found, again, strict=True)):
                raise SystemExit(f"{case}: two runs differ; sums must have one order")
            yield _judged(question, case, error, dtype)


def _couplings(quick: bool) -> list[tuple[Coupling, int]]:
    if quick:
        return [(Coupling(1, 1, 1), 3), (Coupling(1, 1, 1, "both", True), 2), (Coupling(1, 2, 1, "so3"), 5)]
    tails = {1: (1, 3, 17, 64, 200), 2: (17, 64), 3: (64,)}  # each number of channels compiles anew
    return [
        *((Coupling(l, l, l), channels) for l in tails for channels in tails[l]),
        (Coupling(2, 2, 2, "so3"), 64),
        (Coupling(2, 2, 2, "both", True), 64),
        (Coupling(0, 2, 2, "both"), 33),
        (Coupling(4, 4, 4), 32),
    ]


def _named(c: Coupling) -> str:
    return f"degrees {c.l_in} × {c.l_edge} → {c.l_out}, {c.parity}{', pseudo in' if c.pseudo_in else ''}"


def _small(coupling: Coupling, channels: int, quick: bool) -> Problem:
    """Random edges; the last atom has none."""
    atoms, edges = (4, 7) if quick else (60, 1501)
    g = torch.Generator().manual_seed(channels)
    centre = torch.randint(atoms - 1, (edges,), generator=g).sort().values
    neighbour = torch.randint(atoms, (edges,), generator=g)
    shapes = (atoms, coupling.lm_in, channels), (edges, (coupling.l_edge + 1) ** 2)
    x, Y, w = (_random(s, n) for n, s in enumerate((*shapes, (edges, len(coupling.paths), channels))))
    second = tuple(_random(t.shape, 3 + n) for n, t in enumerate((x, Y, w)))
    cotangent = _random((atoms, coupling.lm_out, channels), 6)
    return Problem(coupling, x, Y, w, centre, neighbour, cotangent, second)


def _orders_of_convolution(p: Problem, backend: str) -> list[Tensor]:
    with convolution.force(backend):
        side = Side(p, lambda x, Y, w: convolution(x, Y, w, p.centre, p.neighbour, p.coupling))
        passes = ("forward", "forward + backward", "second order")
        return [t.detach() for what in passes for t in side.timed(what)()]


def _orders_of_harmonics(op, backend: str, r: Tensor, l_max: int) -> list[Tensor]:
    leaf = r.clone().requires_grad_()
    with op.force(backend):
        value = op(leaf, l_max)
        g = _random(value.shape, 1).to(value).requires_grad_()
        (first,) = torch.autograd.grad(value, leaf, g, create_graph=True)
        h = _random(first.shape, 1000).to(first)  # not along r, where the second derivative is zero
        # The gradient of a solid harmonic of degree 1 is constant.
        second = torch.autograd.grad(first, (leaf, g), h, allow_unused=True, materialize_grads=True)
    return [t.detach() for t in (value, first, *second)]


def _random(shape, seed: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def _worst(found: list[Tensor], exact: list[Tensor]) -> float:
    return max(deviation(a.double(), b) for a, b in zip(found, exact, strict=True))


def _judged(question: str, case: str, error: float, dtype: torch.dtype) -> Row:
    if not error <= LIMITS[dtype]:
        raise SystemExit(f"{case}: error {error:.1e} is above {LIMITS[dtype]:.0e}; nothing was timed")
    return Row(question, case, None, "our reference in float64", None, f"{error:.1e}", note=KERNEL)
