"""How fast a run is: structures, atoms and edges per second, time spent waiting for data, and memory."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from atomscape.atoms.graph import Graph
from atomscape.learn.machines.ranks import Ranks


class Speed:
    """Counts since the last report."""

    def __init__(self) -> None:
        self._counts, self._waited, self._since = [0, 0, 0], 0.0, time.monotonic()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Time that passes here is spent on getting data."""
        start = time.monotonic()
        yield
        self._waited += time.monotonic() - start

    def add(self, graph: Graph, counts: bool = True) -> None:
        """A batch was learned from, unless it was taken for nothing."""
        s = graph.structures
        for k, n in enumerate((len(s), s.n_atoms, len(graph.centre))):
            self._counts[k] += n * counts

    def report(self, ranks: Ranks) -> dict[str, float]:
        """Rates of all processes together since the last report, which this one ends. All have to ask."""
        seconds = max(time.monotonic() - self._since, 1e-9)
        *counts, waited = ranks.summed([*self._counts, self._waited])
        self.__init__()
        names = ("structures_per_second", "atoms_per_second", "edges_per_second")
        found = {name: round(n / seconds, 2) for name, n in zip(names, counts, strict=True)}
        found["waiting"] = round(min(1.0, waited / seconds / ranks.count), 4)
        return found | {"memory_gigabytes": round(memory(), 3)}


def memory() -> float:
    """Largest memory this process has had, GB; on a GPU of the tensors there."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_allocated() / 1e9
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1e9 if sys.platform == "darwin" else 1e6)
