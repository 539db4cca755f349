"""Size-aware batches: which structures go together, under a budget of structures, atoms or edges.

The order is a function of (seed, epoch) alone. Skipping the first k batches of an epoch gives exactly the
rest, so that an interrupted epoch is continued where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np


class Batches:
    """Batches of positions in a list of structures with the given sizes.

    Each position comes once per epoch, unless ``order`` says otherwise. A batch is closed before it would
    exceed a limit; a structure that alone exceeds one makes a batch of its own. ``atoms`` and ``edges`` are
    counts per structure.

    Parameters
    ----------
    atoms
        Atoms of each structure.
    max_structures, max_atoms, max_edges
        Budget of one batch; None means no limit. At least one is needed.
    edges
        Edges of each structure (or an estimate); needed with ``max_edges``.
    shuffle
        Draw a new order each epoch; otherwise keep the order given.
    seed
        Seed of the order.
    order
        Positions of an epoch in their order, for instance ``Mixture.order``; then neither ``shuffle`` nor
        ``seed`` is used.
    """

    def __init__(
        self,
        atoms: Sequence[int] | np.ndarray,
        max_structures: int | None = None,
        max_atoms: int | None = None,
        max_edges: int | None = None,
        edges: Sequence[int] | np.ndarray | None = None,
        *,
        shuffle: bool = True,
        seed: int = 0,
        order: Callable[[int], np.ndarray] | None = None,
    ):
        limits = (max_structures, max_atoms, max_edges)
        if all(limit is None for limit in limits) or any(limit is not None and limit < 1 for limit in limits):
            raise ValueError(
                "batches need a budget of at least 1: max_structures, max_atoms or max_edges; "
                f"given {max_structures}, {max_atoms}, {max_edges}"
            )
        if max_edges is not None and (edges is None or len(edges) != len(atoms)):
            raise ValueError("max_edges needs edges, one count per structure")
        self.n = len(atoms)
        columns = [(np.ones(self.n), max_structures), (atoms, max_atoms), (edges, max_edges)]
        self._costs = [(np.asarray(c, dtype=np.int64), limit) for c, limit in columns if limit is not None]
        self.shuffle, self.seed, self.order = shuffle, seed, order

    def epoch(self, epoch: int, skip: int = 0) -> Iterator[np.ndarray]:
        """Batches of one epoch, without its first ``skip``."""
        order, cuts = self._plan(epoch)
        for a, b in zip(cuts[skip:-1], cuts[skip + 1 :], strict=True):
            yield order[a:b]

    def groups(self, epoch: int, size: int) -> list[list[np.ndarray]]:
        """Batches that are taken together, ``size`` at a time in their order; the last may be fewer."""
        every = list(self.epoch(epoch))
        return [every[k : k + size] for k in range(0, len(every), size)]

    def count(self, epoch: int) -> int:
        """Number of batches in an epoch; it varies from epoch to epoch unless only structures are limited."""
        return len(self._plan(epoch)[1]) - 1

    def _plan(self, epoch: int) -> tuple[np.ndarray, list[int]]:
        if self.order is not None:
            order = self.order(epoch)
        elif not self.shuffle:
            order = np.arange(self.n)
        else:
            order = np.random.default_rng((self.seed, epoch)).permutation(self.n)
        cuts = _cuts([(np.cumsum(cost[order]), limit) for cost, limit in self._costs], len(order))
        return order, cuts


def _cuts(cumulated: list[tuple[np.ndarray, int]], n: int) -> list[int]:
    """Ends of batches: as far as every limit allows, one structure at least."""
    cuts = [0]
    while cuts[-1] < n:
        start = cuts[-1]
        ends = []
        for sums, limit in cumulated:
            before = sums[start - 1] if start else 0
            ends.append(int(np.searchsorted(sums, before + limit, side="right")))
        cuts.append(max(min(ends), start + 1))
    return cuts
