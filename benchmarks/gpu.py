"""How fast are the kernels on a GPU? ``python benchmarks/gpu.py [--quick] [--json] [--only TEXT]``.

First all kernels are checked against the references in float64, to second derivatives; a wrong result ends
the run. Then harmonics and the convolution are timed: forward; forward + backward; second order (gradients of
a random combination of the gradients, as training on forces needs). Peers are e3nn, our reference, the
reference under torch.compile, and cuEquivariance and OpenEquivariance where they are installed. Times are per
point and per edge, taken by events in the GPU's queue. The limit of a row is the time in which the bytes that
must come and go could be copied, at the rate of a copy in the same run.

Without a GPU nothing can be timed (exit code 2); ``--check-interpreter`` then runs small checks in Triton's
interpreter.
"""

from __future__ import annotations

import os
import sys

INTERPRETER = "--check-interpreter"
if INTERPRETER in sys.argv[1:]:
    os.environ["TRITON_INTERPRET"] = "1"  # before Triton is imported

from collections.abc import Callable, Iterator  # noqa: E402

import torch  # noqa: E402
from convolution_peers import Problem, Side  # noqa: E402
from gpu_check import KERNEL, checks  # noqa: E402
from gpu_clock import bandwidth, race  # noqa: E402
from gpu_problem import brief, problem, sides  # noqa: E402
from harmonics import PEERS as HARMONICS_PEERS  # noqa: E402
from interleaved import absent, deviation, precision  # noqa: E402
from measure import Row, command  # noqa: E402

from atomscape.cli.doctor import installed  # noqa: E402
from atomscape.ops.convolution import convolution  # noqa: E402
from atomscape.ops.gpu.available import INSTALLED  # noqa: E402
from atomscape.ops.harmonics import spherical_harmonics  # noqa: E402

QUESTION = "gpu"
COPY = "copy of the bytes"
PASSES = ("forward", "forward + backward", "second order")
CONVOLUTIONS = [
    *((l, channels, torch.float32) for l in (1, 2, 3) for channels in (32, 64, 128)),
    (2, 64, torch.float64),
]
HARMONICS = [*((l, torch.float32) for l in range(1, 9)), (3, torch.float64)]
POINTS = 4_000_000


def missing() -> str:
    """Why nothing can be timed here, or nothing."""
    if not INSTALLED:
        return "triton is not installed; pip install 'atomscape[gpu]' (Linux, x86_64 or aarch64)"
    if not torch.cuda.is_available():
        build = torch.version.cuda or torch.version.hip
        if build is None:
            return f"this torch ({torch.__version__}) is built for the CPU alone"
        return f"torch {torch.__version__} finds no GPU"
    return ""


def versions() -> str:
    """What everybody's results depend on."""
    names = ("torch", "triton", "e3nn", "cuequivariance-ops-torch-cu13", "cuequivariance-ops-torch-cu12")
    return ", ".join(f"{name} {found}" for name in names if (found := installed(name)))


def run(quick: bool, only: str = "") -> Iterator[Row]:
    """Rows of checks, of the machine, of harmonics and of the convolution."""
    device = torch.device("cuda", torch.cuda.current_device())
    yield from (row for row in checks(QUESTION, device, quick) if only in row.case)
    rate = bandwidth(device, 3 if quick else 9)
    name = f"{torch.cuda.get_device_name(device)}, copy {rate / 1e9:.0f} GB/s; {versions()}"
    yield Row(QUESTION, "machine, GPU", None, "its limits", None, note=name)
    for l_max, dtype in HARMONICS:
        for what in PASSES:
            case = f"harmonics, l_max {l_max}, {precision(dtype)}, {what}"
            if only in case:
                yield from _harmonics(case, what, l_max, dtype, device, rate, quick)
    for l_max, channels, dtype in CONVOLUTIONS:
        stem = f"convolution, l_max {l_max}, {channels} channels, {precision(dtype)}"
        wanted = [what for what in PASSES if only in f"{stem}, {what}"]
        alone = only in f"kernel, {stem}"
        if wanted or alone:
            p = problem(l_max, channels, dtype, device, quick)
            if alone:
                yield from _alone(p, stem.removeprefix("convolution, "), rate, 3 if quick else 5)
            if wanted:  # peers take long to build
                yield from _convolutions(stem, wanted, p, rate, quick)
            torch.cuda.empty_cache()


def _alone(p: Problem, stem: str, rate: float, rounds: int) -> Iterator[Row]:
    """Each kernel of the convolution by itself, beside a copy of the bytes that come and go."""
    from atomscape.ops.gpu import forms
    from atomscape.ops.gpu.ends import Ends

    ends = Ends.of(p.centre, p.neighbour, len(p.x), sent=True)
    h, a, b = p.second
    edge = p.w.nbytes + p.Y.nbytes + 2 * p.centre.nbytes
    ends_only = p.x.nbytes + p.g.nbytes
    kernels = {
        "sum over neighbours": (lambda: forms.convolve(p.x, p.Y, p.w, ends, p.coupling), 1),
        "its transpose": (lambda: forms.spread(p.g, p.Y, p.w, ends, p.coupling), 1),
        "gradients of edges": (lambda: forms.gradients(p.g, p.x, p.Y, p.w, ends, p.coupling), 2),
        "second backward": (lambda: forms.second(h, a, b, p.g, p.x, p.Y, p.w, ends, p.coupling), 3),
    }
    for what, (run, times) in kernels.items():
        taken = race({what: run}, rounds)[what] / len(p.centre)
        limit = (times * edge + ends_only) / rate / len(p.centre)
        yield Row(QUESTION, f"kernel, {what}, {stem}", taken, COPY, limit, "", limit, "triton")


def _convolutions(stem: str, wanted: list[str], p: Problem, rate: float, quick: bool) -> Iterator[Row]:
    able, reasons = sides(p, compiled=not quick)
    edges = len(p.centre)
    mine = able.pop("")
    chosen = convolution.explain(*mine.inputs, p.centre, p.neighbour, p.coupling).chosen
    for what in wanted:
        truth = [t for _, t in mine.outcome(what)]
        limit = least_bytes(p, what) / rate / edges
        for name, side in able.items():
            if what == "second order" and name.endswith("torch.compile"):
                reason = "torch.compile has no second derivative"
            else:
                reason, taken, error = _raced(mine, side, what, truth, 3 if quick else 5)
            if reason:
                yield Row(QUESTION, f"{stem}, {what}", None, name, None, reason, limit, chosen)
            else:
                ours, theirs = (t / edges for t in taken)
                yield Row(QUESTION, f"{stem}, {what}", ours, name, theirs, error, limit, chosen)
        for name, reason in reasons.items():
            yield Row(QUESTION, f"{stem}, {what}", None, name, None, reason, limit, chosen)


def _raced(
    mine: Side, side: Side, what: str, truth: list[torch.Tensor], rounds: int
) -> tuple[str, tuple[float, float], str]:
    """Why a peer could not run; else times, ours beside the peer's, and how far its results are from ours."""
    try:
        error = max(deviation(a, b) for a, (_, b) in zip(truth, side.outcome(what), strict=True))
        taken = race({"ours": mine.timed(what), "theirs": side.timed(what)}, rounds)
    except Exception as failure:  # out of memory, or a kernel that is not built for this device
        torch.cuda.empty_cache()
        return brief(failure), (0.0, 0.0), ""
    return "", (taken["ours"], taken["theirs"]), f"{error:.1e}"


def least_bytes(p: Problem, what: str) -> float:
    """Bytes that no way to do it can avoid: weights, harmonics, edges, features; each once per pass."""
    size = p.w.element_size()
    edge = p.w.nbytes + p.Y.nbytes
    index = 2 * len(p.centre) * p.centre.element_size()
    x, out = p.x.nbytes, p.g.numel() * size
    forward = edge + index + x + out
    backward = 2 * edge + index + 2 * x + out
    twice = 4 * edge + index + 4 * x + 2 * out
    return {"forward": forward, "forward + backward": forward + backward}.get(
        what, forward + backward + twice
    )


def _harmonics(
    case: str, what: str, l_max: int, dtype: torch.dtype, device: torch.device, rate: float, quick: bool
) -> Iterator[Row]:
    points = POINTS // (100 if quick else max(1, l_max // 2))
    r = torch.randn(points, 3, dtype=dtype, device=device)
    lm = (l_max + 1) ** 2
    numbers = {"forward": 3 + lm, "forward + backward": 9 + 2 * lm}.get(what, 21 + 4 * lm)
    limit = numbers * r.element_size() / rate
    functions = {"": lambda r: spherical_harmonics(r, l_max)}
    functions["our reference"] = lambda r: spherical_harmonics.reference(r, l_max)
    name, (module, make, frame, factor) = "e3nn", HARMONICS_PEERS["e3nn"]
    reason = absent(module)
    if not reason:
        peer = make(l_max).to(device, dtype)
        functions[name] = lambda r: peer(frame(r)) * factor
    truth = functions[""](r[:1000])
    taken = race({k: _pass(f, r, lm, what) for k, f in functions.items()}, 3 if quick else 5)
    chosen = spherical_harmonics.explain(r, l_max).chosen
    for k in list(functions)[1:]:
        error = f"{deviation(truth, functions[k](r[:1000])):.1e}"
        yield Row(QUESTION, case, taken[""] / points, k, taken[k] / points, error, limit, chosen)
    if reason:
        yield Row(QUESTION, case, taken[""] / points, name, None, reason, limit, chosen)


def _pass(function: Callable, r: torch.Tensor, lm: int, what: str) -> Callable[[], object]:
    if what == "forward":
        return lambda: function(r)
    leaf = r.clone().requires_grad_()
    g = torch.randn(len(r), lm, dtype=r.dtype, device=r.device)
    if what == "forward + backward":
        return lambda: torch.autograd.grad(function(leaf), leaf, g)
    g.requires_grad_()
    h = torch.randn_like(r)

    def twice() -> object:
        (first,) = torch.autograd.grad(function(leaf), leaf, g, create_graph=True)
        return torch.autograd.grad(first, (leaf, g), h)

    return twice


def main() -> None:
    """Check and time on a GPU; or check in the interpreter; or say what is missing."""
    if INTERPRETER in sys.argv[1:]:
        if not INSTALLED:
            sys.exit("triton is not installed; pip install 'atomscape[gpu]' (Linux, x86_64 or aarch64)")
        for row in checks(QUESTION, torch.device("cpu"), quick=True):
            print(f"{row.case}: error {row.error}")
        return
    reason = missing()
    if reason:
        print(
            f"benchmarks/gpu.py needs a GPU: {reason}. With {INTERPRETER} the {KERNEL} kernels are checked "
            "on the CPU, in Triton's interpreter.",
            file=sys.stderr,
        )
        sys.exit(2)
    command(QUESTION, run, "point or edge", "only")


if __name__ == "__main__":
    main()
