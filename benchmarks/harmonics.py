"""How fast are spherical harmonics? ``python benchmarks/harmonics.py [--quick] [--json] [--only TEXT]``.

All degrees up to l_max at random points, alone and with the gradient for a random cotangent, against e3nn
(its module), sphericart (its torch module), and a plain copy of the output, less than which nobody can do.
Times are per point. The limit counts the bytes that must come and go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import pi, sqrt

import torch
from interleaved import absent, deviation, precision, race, threads_of_torch
from limits import Limits, threads
from measure import Row, command

from atomscape.ops.harmonics import spherical_harmonics

QUESTION = "harmonics"
CASES = [
    *((l, torch.float32) for l in (1, 2, 3, 4, 6, 8, 10)),
    *((l, torch.float64) for l in (2, 4, 10)),
]
COPY = "copy of the output"
Function = Callable[[torch.Tensor], torch.Tensor]


def ours(l_max: int) -> Function:
    """Our operation."""
    return lambda r: spherical_harmonics(r, l_max)


def of_e3nn(l_max: int) -> Function:
    """The module of e3nn; its polar axis is y, so it is given (y, z, x) where results are compared."""
    from e3nn import o3

    return o3.SphericalHarmonics(list(range(l_max + 1)), normalize=True, normalization="component")


def of_sphericart(l_max: int) -> Function:
    """The torch module of sphericart; its values are ours over √(4π)."""
    import sphericart.torch

    return sphericart.torch.SphericalHarmonics(l_max)


PEERS: dict[str, tuple[str, Callable[[int], Function], Function, float]] = {
    "e3nn": ("e3nn", of_e3nn, lambda r: r[:, [1, 2, 0]], 1.0),
    "sphericart": ("sphericart.torch", of_sphericart, lambda r: r, sqrt(4 * pi)),
}


def run(quick: bool, only: str = "", threads: Sequence[int] = (1, 2)) -> Iterator[Row]:
    """Rows for every degree, precision, pass and number of threads."""
    points = 2_000 if quick else 100_000
    # Most threads first: sphericart keeps scratch memory for as many threads as its first call had, and
    # writes beyond it when later calls have more (seen with 2.0.4: glibc finds the heap corrupted).
    for count in sorted(threads, reverse=True):
        machine = Limits(count, rounds=1 if quick else 5)
        yield machine.row(QUESTION)
        for l_max, dtype in CASES:
            r = torch.randn(points, 3, dtype=dtype, generator=torch.Generator().manual_seed(l_max))
            for backward in (False, True):
                case = _case(l_max, dtype, backward, count)
                if only in case:
                    with threads_of_torch(count):
                        yield from _rows(case, r, l_max, backward, machine, 3 if quick else 15)


def _case(l_max: int, dtype: torch.dtype, backward: bool, count: int) -> str:
    what = "forward + backward" if backward else "forward"
    return f"l_max {l_max}, {precision(dtype)}, {what}, {threads(count)}"


def _rows(
    case: str, r: torch.Tensor, l_max: int, backward: bool, machine: Limits, rounds: int
) -> Iterator[Row]:
    reasons = {name: absent(module) for name, (module, *_) in PEERS.items()}
    functions = {name: make(l_max) for name, (_, make, *_) in PEERS.items() if not reasons[name]}
    cotangent = torch.randn(len(r), (l_max + 1) ** 2, dtype=r.dtype)
    mine = ours(l_max)
    contenders = {name: _pass(f, r, cotangent, backward) for name, f in {"": mine, **functions}.items()}
    if not backward:
        target, values = torch.empty_like(cotangent), cotangent
        contenders[COPY] = lambda: target.copy_(values)
    taken = race(contenders, machine.threads, rounds)
    seconds = {name: value / len(r) for name, value in taken.items()}
    limit = _limit(l_max, r.dtype, backward, machine)
    note = spherical_harmonics.explain(r, l_max).chosen
    for name in (*PEERS, *([] if backward else [COPY])):
        error = reasons.get(name) or _error(name, mine, functions.get(name), r)
        yield Row(QUESTION, case, seconds[""], name, seconds.get(name), error, limit, note)


def _pass(
    function: Function, r: torch.Tensor, cotangent: torch.Tensor, backward: bool
) -> Callable[[], object]:
    if not backward:
        return lambda: function(r)
    leaf = r.clone().requires_grad_()
    return lambda: torch.autograd.grad(function(leaf), leaf, cotangent)


def _limit(l_max: int, dtype: torch.dtype, backward: bool, machine: Limits) -> float:
    """Coordinates in, values out; backward: coordinates and cotangent in, gradient out. An FMA per value."""
    lm = (l_max + 1) ** 2
    read, written = (2 * 3 + lm, lm + 3) if backward else (3, lm)
    return machine.seconds(
        2.0 * lm * (1 + 3 * backward), read * dtype.itemsize, written * dtype.itemsize, dtype
    )


def _error(name: str, mine: Function, theirs: Function | None, r: torch.Tensor) -> str:
    if theirs is None:
        return ""
    _, _, frame, factor = PEERS[name]
    return f"{deviation(mine(r[:2000]), theirs(frame(r[:2000])) * factor):.1e}"


if __name__ == "__main__":
    command(QUESTION, run, "point", "only", "threads")
