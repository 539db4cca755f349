"""Settings of torch that make a run repeatable, put back as they were afterwards."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

_fill: Any = torch.utils.deterministic


@contextmanager
def deterministic(threads: int, seed: int) -> Iterator[None]:
    """Deterministic algorithms, a fixed number of threads, torch's generator seeded.

    Weight initialisation and dropout draw from that generator; it is restored after. On a GPU the few
    operations without a deterministic form are allowed.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    fill = _fill.fill_uninitialized_memory
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())
        _fill.fill_uninitialized_memory = False  # a debugging aid that costs time
        try:
            yield
        finally:
            torch.set_num_threads(before[0])
            torch.use_deterministic_algorithms(before[1], warn_only=warn_only)
            _fill.fill_uninitialized_memory = fill


class Stop:
    """Set by Ctrl-C or SIGTERM, so that the loop ends after the current batch; a second one is immediate."""

    def __init__(self) -> None:
        self.asked = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Catch the signals while this lasts (only the main thread can)."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {s: signal.signal(s, self._ask) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _ask(self, number: int, frame: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
