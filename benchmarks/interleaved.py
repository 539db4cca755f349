"""Time several ways to do the same thing in turns, so that a busy machine disturbs all of them alike.

With one thread CPU time counts (``process_time``), with more wall time. Nobody starts cold, and everybody
gets the allocator that our own training uses.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import ceil
from time import perf_counter, process_time

import torch

from atomscape.ops.allocator import keep_freed_memory

PATIENCE = 2.0  # seconds


def race(
    contenders: Mapping[str, Callable[[], object]], threads: int, rounds: int = 9, turn: float = 0.02
) -> dict[str, float]:
    """Shortest time of one call of each, in seconds: the best of ``rounds`` turns of ``turn`` seconds each.

    A turn repeats what is shorter, and is one call of what is longer. What is shorter runs as often before
    its turn, untimed: caches are full of what others have used. Who has used up ``PATIENCE`` seconds gets
    three turns at least, but no more.
    """
    calls, best, spent = {}, dict.fromkeys(contenders, float("inf")), dict.fromkeys(contenders, 0.0)
    for name, function in contenders.items():
        function()  # whoever compiles or imports does it here
        calls[name] = ceil(turn / _taken(function, 1, perf_counter))
    for done in range(rounds):
        for name, function in contenders.items():
            if done < 3 or spent[name] < PATIENCE:
                if calls[name] > 1:
                    taken(function, calls[name], threads)
                seconds = taken(function, calls[name], threads)
                best[name] = min(best[name], seconds)
                spent[name] += seconds * calls[name]
    return best


def taken(function: Callable[[], object], calls: int, threads: int) -> float:
    """Seconds of one of so many calls: of CPU time with one thread, of wall time with more."""
    return _taken(function, calls, process_time if threads == 1 else perf_counter)


def _taken(function: Callable[[], object], calls: int, clock: Callable[[], float]) -> float:
    start = clock()
    for _ in range(calls):
        function()
    return max(clock() - start, 1e-9) / calls


@contextmanager
def threads_of_torch(count: int) -> Iterator[None]:
    """Let torch, and all that follow it, use so many threads, with freed memory kept."""
    keep_freed_memory()
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def absent(module: str) -> str:
    """Why a peer cannot take part, or nothing if it can."""
    try:
        found = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        found = None
    return "" if found else f"{module.split('.')[0]} is not installed; pip install 'atomscape[bench]'"


def deviation(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Largest difference over the largest value."""
    return float((ours - theirs).abs().max() / theirs.abs().max().clamp(min=torch.finfo(theirs.dtype).tiny))


def precision(dtype: torch.dtype) -> str:
    """Name of a dtype as it stands in a case."""
    return str(dtype).removeprefix("torch.")
