"""How fast is a whole layer? ``python benchmarks/layer.py [--quick] [--json] [--only TEXT]``.

Harmonics, radial network 8-64-64-64-(paths · channels) and convolution, on a rattled crystal with 42
neighbours per atom and on a cluster of 20 atoms: energy and forces, and one step of training on forces, which
is of second order. Memory counts too: how far the resident set of a fresh process rises in such a step. The
peer is e3nn with the same network. Ours comes in variants: "exact" (weights of all edges in memory), "radial
layer in the kernel" (the same function) and, for inference, "radial tables" (cubic Hermite). Times are per
edge.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import torch
from ase import Atoms
from interleaved import absent, deviation, race, threads_of_torch
from layer_sides import (
    VARIANTS,
    System,
    cluster,
    crystal,
    energy_and_forces,
    for_e3nn,
    of_e3nn,
    training_step,
)
from limits import threads
from measure import Row, command

from atomscape.ops.op import watched

QUESTION = "layer"
CASES = [(1, 64), (2, 64), (2, 128), (3, 64)]
INFERENCE, TRAINING, MEMORY = "energy and forces", "force-training step", "memory of training on forces"
PEER = "e3nn"


def run(quick: bool, only: str = "", threads: Sequence[int] = (1, 2)) -> Iterator[Row]:
    """Rows for every size, system, task and number of threads."""
    systems = {"crystal": crystal((2, 2, 2) if quick else (4, 5, 5)), "20 atoms": cluster()}
    for count in threads:
        for l_max, channels in CASES:
            for name, atoms in systems.items():
                for task in (INFERENCE, TRAINING):
                    case = _case(l_max, channels, name, task, count)
                    if only in case:
                        with threads_of_torch(count):
                            yield from _rows(case, l_max, channels, atoms, task, count, 3 if quick else 9)
    for l_max, channels in CASES:
        case = _case(l_max, channels, "crystal", MEMORY, 1)
        if only in case and 1 in threads:
            yield from _memory(case, l_max, channels, 2 if quick else 4)


def _case(l_max: int, channels: int, system: str, task: str, count: int) -> str:
    return f"l_max {l_max}, {channels} channels, {system}, {task}, {threads(count)}"


def _rows(
    case: str, l_max: int, channels: int, atoms: Atoms, task: str, count: int, rounds: int
) -> Iterator[Row]:
    system = System.make(l_max, channels, atoms)
    reason, variants = absent(PEER), {}
    contenders: dict[str, Callable[[], tuple[torch.Tensor, ...]]] = {}
    if not reason:
        theirs = for_e3nn(system)
        contenders[PEER] = _ready(task, theirs, of_e3nn(theirs))
    for name in variants_for(task):
        variants[name] = contenders[name] = _ready(task, system, VARIANTS[name](system))
    served, errors = {}, {}
    truth = None if reason else contenders[PEER]()[-1]
    for name, function in variants.items():
        with watched() as calls:
            result = function()[-1]
        served[name] = ", ".join(dict.fromkeys(c.chosen for c in calls if "convolution" in c.op))
        if truth is not None:
            # Forces of e3nn stand in its axes; the gradient of the network's last layer needs no turning.
            same = truth[:, [2, 0, 1]] if task == INFERENCE else truth
            errors[name] = f"{deviation(result, same):.1e}"
    taken = race(contenders, count, rounds)
    per_edge = {name: value / len(system.centre) for name, value in taken.items()}
    for name in variants:
        yield Row(
            QUESTION,
            f"{case}, {name}",
            per_edge[name],
            PEER,
            per_edge.get(PEER),
            reason or errors[name],
            note=served[name],
        )


def variants_for(task: str) -> list[str]:
    """Return our ways to do a task: tables are fixed, so nothing can be trained through them."""
    return [name for name in VARIANTS if task == INFERENCE or name != "radial tables"]


def _ready(task: str, system: System, messages: Callable) -> Callable[[], tuple[torch.Tensor, ...]]:
    if task == INFERENCE:
        return partial(energy_and_forces, messages, system.leaves)
    return partial(training_step, messages, system.leaves, system.target)


def _memory(case: str, l_max: int, channels: int, repeat: int) -> Iterator[Row]:
    """Rows of bytes: each side takes one step in a process of its own."""
    reason = absent(PEER)
    theirs = None if reason else _rise(PEER, l_max, channels, repeat)
    for name in variants_for(TRAINING):
        rise = _rise(name, l_max, channels, repeat)
        yield Row(QUESTION, f"{case}, {name}", rise, PEER, theirs, reason, unit="B")


def _rise(side: str, l_max: int, channels: int, repeat: int) -> float:
    script = Path(__file__).with_name("layer_memory.py")
    arguments = [sys.executable, str(script), side, str(l_max), str(channels), str(repeat)]
    answer = subprocess.run(arguments, capture_output=True, text=True, check=True)
    return json.loads(answer.stdout)["rise"]


if __name__ == "__main__":
    command(QUESTION, run, "edge", "only", "threads")
