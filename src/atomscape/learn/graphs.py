"""GraphSet: structures from which batches of neighbour graphs are made.

The graph of a batch is built when it is asked for. Gathering kept edges would save half of that, less than a
hundredth of a training step (``benchmarks/loader.py``, ``benchmarks/training.py``), and take memory. So edges
are counted once, and kept only on request (``cache_bytes``): in flat arrays, numbered within their structure,
a batch being a gather of ranges.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from atomscape.atoms.graph import Graph
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.properties import Property
from atomscape.atoms.structures import Structures
from atomscape.learn.labels.corrupt import Corruption, corrupted, label_shapes
from atomscape.learn.machines.ranks import ALONE, Ranks
from atomscape.shapes import Int, Tensor

_CHUNK = 256


@dataclass(frozen=True, eq=False)
class Edges:
    """Edges of many structures, atoms numbered within their structure (small integers, to fit in memory)."""

    centre: Int[Tensor, " edges"]
    neighbour: Int[Tensor, " edges"]
    shift: Int[Tensor, "edges 3"]

    @property
    def bytes(self) -> int:
        """Memory taken."""
        return sum(t.numel() * t.element_size() for t in (self.centre, self.neighbour, self.shift))


class GraphSet:
    """Structures of one part of a split (possibly of several datasets), ready to be batched.

    Parameters
    ----------
    structures
        Positions in Å, float64, with the labels that are wanted.
    dataset
        Index of the dataset each structure belongs to.
    per_atom
        Names of the labels that run over atoms.
    cutoff
        Å.
    cache_bytes
        Edges are kept when they need no more than this; otherwise each batch builds its graph.
    corruptions
        Dataset → what is done to its structures each time they are drawn; then no edges are kept.
    seed
        Seed of the corruptions.
    ranks
        Processes that hold the same structures: each counts the edges of its share, where none are kept.
    """

    def __init__(
        self,
        structures: Structures,
        dataset: Int[Tensor, " structures"],
        per_atom: frozenset[str],
        cutoff: float,
        cache_bytes: float = 0.0,
        corruptions: Mapping[int, Corruption] | None = None,
        seed: int = 0,
        ranks: Ranks = ALONE,
    ):
        self.structures, self.dataset, self.per_atom, self.cutoff = structures, dataset, per_atom, cutoff
        self.corruptions, self.seed = dict(corruptions or {}), seed
        cache_bytes = 0.0 if self.corruptions else cache_bytes
        self.counts, self.first = structures.counts, structures.offsets[:-1]
        self._room = label_shapes(structures, dataset, self.corruptions)
        self.edge_counts, self.edges = _all_edges(structures, cutoff, cache_bytes, ranks)
        self.first_edge = self.edge_counts.cumsum(0) - self.edge_counts

    def __len__(self) -> int:
        """Return the number of structures."""
        return len(self.structures)

    @property
    def average_neighbours(self) -> float:
        """Mean number of neighbours of an atom."""
        return float(self.edge_counts.sum()) / max(1, self.structures.n_atoms)

    def batch(
        self, index: Sequence[int] | np.ndarray | Tensor, epoch: int = 0
    ) -> tuple[Graph, Int[Tensor, " chosen"]]:
        """Graph of the chosen structures, in that order, and the dataset each belongs to.

        Corruptions are a function of (seed, epoch, index): the same call gives the same batch.
        """
        index = torch.as_tensor(index, dtype=torch.int64)
        structures = self.drawn(index, epoch)
        if self.edges is None:
            return neighbour_graph(structures, self.cutoff), self.dataset[index]
        counts, atoms = self.edge_counts[index], self.counts[index]
        edges = ranges(self.first_edge[index], counts)
        start = torch.repeat_interleave(atoms.cumsum(0) - atoms, counts)
        graph = Graph(
            structures,
            self.edges.centre[edges] + start,
            self.edges.neighbour[edges] + start,
            self.edges.shift[edges].to(torch.int64),
            self.cutoff,
        )
        return graph, self.dataset[index]

    def drawn(self, index: Sequence[int] | np.ndarray | Tensor, epoch: int = 0) -> Structures:
        """The structures of a batch as ``batch`` has them, without their graph."""
        index = torch.as_tensor(index, dtype=torch.int64)
        s, owner = self._gather(index), self.dataset[index]
        if not self.corruptions:
            return s
        return corrupted(s, owner, index, self.corruptions, self._room, self.seed, epoch)

    def _gather(self, index: Tensor) -> Structures:
        s, counts = self.structures, self.counts[index]
        atoms = ranges(self.first[index], counts)
        structure = torch.repeat_interleave(torch.arange(len(index)), counts)
        labels = {k: v[atoms if k in self.per_atom else index] for k, v in s.labels.items()}
        ids = tuple(s.ids[i] for i in index.tolist()) if s.ids else ()
        return Structures(
            s.positions[atoms],
            s.numbers[atoms],
            s.cell[index],
            s.pbc[index],
            structure,
            labels,
            ids,
            self.per_atom,
        )


def ranges(first: Int[Tensor, " n"], counts: Int[Tensor, " n"]) -> Int[Tensor, " total"]:
    """Concatenate ``first[i], first[i]+1, …`` (``counts[i]`` numbers) over i."""
    starts = first - (counts.cumsum(0) - counts)
    return torch.arange(int(counts.sum())) + torch.repeat_interleave(starts, counts)


def with_labels_of(structures: Structures, properties: dict[str, Property], wanted: set[str]) -> Structures:
    """Keep only the wanted labels, in float64; add NaN where a wanted one is not there at all."""
    labels = {}
    for name in sorted(wanted):
        p = properties[name]
        rows = structures.n_atoms if p.per == "atom" else len(structures)
        given = structures.labels.get(name)
        missing = torch.full((rows, *p.shape), torch.nan, dtype=torch.float64)
        labels[name] = missing if given is None else given.to(torch.float64)
    return replace(structures.to(dtype=torch.float64), labels=labels)


def _all_edges(
    structures: Structures, cutoff: float, cache_bytes: float, ranks: Ranks
) -> tuple[Tensor, Edges | None]:
    """Number of edges of each structure, and the edges where they fit ``cache_bytes``."""
    if not cache_bytes:
        return _edge_counts(structures, cutoff, ranks), None
    parts: list[Edges] = []
    counts, used = [torch.zeros(0, dtype=torch.int64)], 0
    for chunk in _chunks(structures):
        graph = neighbour_graph(chunk, cutoff)
        owner = chunk.structure[graph.centre]
        counts.append(torch.bincount(owner, minlength=len(chunk)))
        first = chunk.offsets[:-1][owner]
        parts.append(_small(graph.centre - first, graph.neighbour - first, graph.shift))
        used += parts[-1].bytes
        if used > cache_bytes:
            counts.append(_edge_counts(structures, cutoff, ranks, sum(map(len, counts))))
            return torch.cat(counts), None
    return torch.cat(counts), _joined(parts)


def _edge_counts(structures: Structures, cutoff: float, ranks: Ranks, start: int = 0) -> Tensor:
    """Number of edges of each structure from ``start`` on.

    Each process counts every n-th chunk, and they tell one another.
    """
    mine = [
        torch.bincount(s.structure[neighbour_graph(s, cutoff).centre], minlength=len(s)).to(torch.int32)
        for s in ranks.mine(_chunks(structures, start))
    ]
    shares, counts = ranks.gathered(mine), [torch.zeros(0, dtype=torch.int64)]
    for k in range(sum(map(len, shares))):
        counts.append(shares[k % len(shares)][k // len(shares)].to(torch.int64))
    return torch.cat(counts)


def _chunks(structures: Structures, start: int = 0) -> Iterator[Structures]:
    return (structures[k : k + _CHUNK] for k in range(start, len(structures), _CHUNK))


def _small(centre: Tensor, neighbour: Tensor, shift: Tensor) -> Edges:
    """Shifts beyond ±127 cells need a cutoff of a hundred cell lengths; those stay wide."""
    narrow = shift.numel() == 0 or int(shift.abs().max()) < 128
    return Edges(centre.int(), neighbour.int(), shift.to(torch.int8 if narrow else torch.int64))


def _joined(parts: list[Edges]) -> Edges:
    if not parts:
        none = torch.zeros(0, dtype=torch.int64)
        return Edges(none, none, torch.zeros(0, 3, dtype=torch.int64))
    return Edges(*(torch.cat([getattr(p, k) for p in parts]) for k in ("centre", "neighbour", "shift")))
