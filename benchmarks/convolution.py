"""How fast is the convolution? ``python benchmarks/convolution.py [--quick] [--json] [--only TEXT]``.

A rattled fcc crystal, 42 neighbours per atom, natural parity, features, harmonics and radial weights given:
forward; forward + backward (gradients of all three); second order (the gradients of a random combination of
those gradients, as training on forces needs). Peers compute the same sums: e3nn (gather, TensorProduct "uvu"
with outside weights, scatter), cuEquivariance on a CPU (its ChannelWiseTensorProduct, and a polynomial that
sums paths at once), our reference, the reference under torch.compile. Times are per edge.

The limit of a row is the larger of two times. Operations: with F the pairs (m1, m3) of all paths that couple
plus one multiplication by the weight each, a forward pass needs F multiply–adds per channel; the gradients of
features and weights share Mᵀg, so a backward pass needs F + pairs + Σ(2l1+1); second order six more products
with M. Bytes: weights, their cotangents and their gradients pass through memory, each once per pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from convolution_peers import PEERS, Problem, Side, ours, reference
from interleaved import absent, deviation, precision, race, threads_of_torch
from limits import Limits, threads
from measure import Row, command

from atomscape.o3.clebsch_gordan import clebsch_gordan
from atomscape.ops.convolution import Coupling, convolution

QUESTION = "convolution"
CASES = [
    *((l, channels, torch.float32) for l in (1, 2, 3) for channels in (32, 64, 128)),
    (2, 64, torch.float64),
]
PASSES = ("forward", "forward + backward", "second order")
Pass = Callable[[], object]


def run(quick: bool, only: str = "", threads: Sequence[int] = (1, 2)) -> Iterator[Row]:
    """Rows for every size, precision, pass and number of threads."""
    for count in threads:
        machine = Limits(count, rounds=1 if quick else 5)
        yield machine.row(QUESTION)
        for l_max, channels, dtype in CASES:
            wanted = [what for what in PASSES if only in _case(l_max, channels, dtype, what, count)]
            if not wanted:
                continue
            problem = Problem.make(l_max, channels, dtype, repeat=2 if quick else 4)
            with threads_of_torch(count):
                sides, reasons = _sides(problem, compiled=not quick and count == 1)
                for what in wanted:
                    case = _case(l_max, channels, dtype, what, count)
                    yield from _rows(case, what, problem, sides, reasons, machine, 3 if quick else 9)


def _case(l_max: int, channels: int, dtype: torch.dtype, what: str, count: int) -> str:
    return f"l_max {l_max}, {channels} channels, {precision(dtype)}, {what}, {threads(count)}"


def _sides(problem: Problem, compiled: bool) -> tuple[dict[str, Side], dict[str, str]]:
    """Everybody who can take part, and the reasons of those who cannot."""
    sides, reasons = {"": ours(problem), "our reference": reference(problem)}, {}
    for name, (module, make) in PEERS.items():
        reason = absent(module)
        if reason:
            reasons[name] = reason
        else:
            sides[name] = make(problem)
    if compiled:
        sides["our reference, torch.compile"] = reference(problem, compiled=True)
    return sides, reasons


def _rows(
    case: str,
    what: str,
    problem: Problem,
    sides: dict[str, Side],
    reasons: dict[str, str],
    machine: Limits,
    rounds: int,
) -> Iterator[Row]:
    reasons = dict(reasons)
    taking, errors = {}, {}
    truth = [t for _, t in sides[""].outcome(what)]
    for name, side in sides.items():
        if what == "second order" and name.endswith("torch.compile"):
            reasons[name] = "torch.compile has no second derivative"
            continue
        errors[name] = f"{max(map(deviation, truth, (t for _, t in side.outcome(what)))):.1e}"
        taking[name] = side.timed(what)
    taken = race(taking, machine.threads, rounds)
    seconds = {name: value / len(problem.centre) for name, value in taken.items()}
    limit = limit_of(problem, what, machine) / len(problem.centre)
    graph = problem.centre, problem.neighbour, problem.coupling
    chosen = convolution.explain(*sides[""].inputs, *graph).chosen
    for name in [*list(seconds)[1:], *reasons]:
        error = reasons.get(name) or errors[name]
        yield Row(QUESTION, case, seconds[""], name, seconds.get(name), error, limit, chosen)


def limit_of(problem: Problem, what: str, machine: Limits) -> float:
    """Least time of one pass over all edges; the module's text has the count."""
    edges, size, dtype = len(problem.centre), problem.w.element_size(), problem.w.dtype
    forward, backward, product = multiply_adds(problem.coupling)
    weights = problem.w.nbytes
    edge_bytes = edges * (problem.Y.shape[1] * size + 2 * problem.centre.element_size())
    nodes = problem.x.nbytes
    both, once = forward + backward, weights + edge_bytes + nodes
    per_channel, reads, writes = {
        "forward": (forward, once, nodes),
        "forward + backward": (both, 2 * once + nodes, weights + 2 * nodes),
        "second order": (both + 6 * product, 3 * once + weights + nodes, 2 * weights + 4 * nodes),
    }[what]
    return machine.seconds(2.0 * per_channel * problem.w.shape[2] * edges, reads, writes, dtype)


def multiply_adds(coupling: Coupling) -> tuple[int, int, int]:
    """Per edge and channel: forward, backward, and one product with M alone."""
    pairs = [int((clebsch_gordan(*p[:3]).abs().amax(1) > 1e-12).sum()) for p in coupling.paths]
    weighting = sum(min(2 * p.l1 + 1, 2 * p.l3 + 1) for p in coupling.paths)
    forward = sum(pairs) + weighting
    return forward, forward + sum(pairs) + sum(2 * p.l1 + 1 for p in coupling.paths), sum(pairs)


if __name__ == "__main__":
    command(QUESTION, run, "edge", "only", "threads")
