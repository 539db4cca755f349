"""Time on a GPU, which works while Python goes ahead: events in its queue, read when it has passed them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil

import torch

TURN = 0.02  # seconds
COPIED = 2**30  # bytes: far beyond every cache


def race(contenders: Mapping[str, Callable[[], object]], rounds: int = 9) -> dict[str, float]:
    """Shortest time of one call of each, in seconds, the contenders in turns.

    A turn repeats what is short until it takes ``TURN``, queued without a pause: what is shorter than Python
    needs to start it is timed by that, as users see it.
    """
    calls = dict.fromkeys(contenders, 1)
    for name, function in contenders.items():
        function()
        function()
        calls[name] = max(1, ceil(TURN / seconds(function, 1)))
    best = dict.fromkeys(contenders, float("inf"))
    for _ in range(rounds):
        for name, function in contenders.items():
            best[name] = min(best[name], seconds(function, calls[name]))
    return best


def seconds(function: Callable[[], object], calls: int) -> float:
    """Time of one call between two events, after everything before has ended."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    start.record()
    for _ in range(calls):
        function()
    end.record()
    end.synchronize()
    return max(start.elapsed_time(end) / 1e3, 1e-9) / calls


def bandwidth(device: torch.device, rounds: int = 9) -> float:
    """Bytes per second of a copy in the GPU's memory; a byte counts when read and when written."""
    source, target = (torch.empty(COPIED // 4, device=device).zero_() for _ in range(2))
    return 2 * COPIED / race({"copy": lambda: target.copy_(source)}, rounds)["copy"]
