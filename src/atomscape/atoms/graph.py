"""Neighbour graph: directed edges, sorted by centre, with periodic images.

Edge vector = position of the neighbour's image − position of the centre (Å).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import torch

from atomscape.atoms.structures import Index, Structures, chosen_rows
from atomscape.shapes import Float, Int, Tensor


@dataclass(frozen=True, eq=False)
class Graph:
    """All pairs closer than ``cutoff`` Å; each pair stands twice, once from either end.

    ``shift`` counts whole lattice vectors added to the neighbour. Edges are sorted by centre (CSR).
    """

    structures: Structures
    centre: Int[Tensor, " edges"]
    neighbour: Int[Tensor, " edges"]
    shift: Int[Tensor, "edges 3"]
    cutoff: float

    @property
    def n_edges(self) -> int:
        """Number of directed edges."""
        return self.centre.shape[0]

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return self.structures.n_atoms

    @cached_property
    def row_offsets(self) -> Int[Tensor, " rows"]:
        """First edge of each centre, and the number of edges at the end."""
        counts = torch.bincount(self.centre, minlength=self.n_atoms)
        return torch.cat([counts.new_zeros(1), counts.cumsum(0)])

    @property
    def vectors(self) -> Float[Tensor, "edges 3"]:
        """r_neighbour + shift·cell − r_centre, computed anew so derivatives reach positions and cell."""
        s = self.structures
        x = s.positions
        r = x.index_select(0, self.neighbour) - x.index_select(0, self.centre)
        cell = s.cell.index_select(0, s.structure.index_select(0, self.centre))
        return r + torch.einsum("ei,eij->ej", self.shift.to(r.dtype), cell)

    @property
    def edge_offsets(self) -> Int[Tensor, " rows"]:
        """First edge of each structure, and the number of edges at the end."""
        return self.row_offsets[self.structures.offsets]

    def __getitem__(self, index: Index) -> Graph:
        """Graph of the chosen structures, in the order given; nothing is searched again."""
        s = self.structures
        chosen = chosen_rows(index, len(s), s.device)
        bounds, atoms = self.edge_offsets, s.offsets
        counts = (bounds[1:] - bounds[:-1])[chosen]
        sizes = s.counts[chosen]
        row = torch.repeat_interleave(torch.arange(len(chosen), device=s.device), counts)
        edges = torch.arange(len(row), device=s.device) + (bounds[chosen] - (counts.cumsum(0) - counts))[row]
        moved = (sizes.cumsum(0) - sizes - atoms[chosen])[row]
        return Graph(
            s[chosen],
            self.centre[edges] + moved,
            self.neighbour[edges] + moved,
            self.shift[edges],
            self.cutoff,
        )

    @staticmethod
    def concatenate(parts: Iterable[Graph]) -> Graph:
        """Join graphs, for instance those of single structures kept from before, into the graph of a batch.

        Raises
        ------
        ValueError
            There is none, or their cutoffs differ.
        """
        parts = list(parts)
        cutoffs = {g.cutoff for g in parts}
        if len(cutoffs) != 1:
            found = f"cutoffs {sorted(cutoffs)} Å" if cutoffs else "no graph at all"
            raise ValueError(f"graphs of one cutoff can be joined; these have {found}.")
        sizes = torch.tensor([g.n_atoms for g in parts])
        starts = torch.repeat_interleave(sizes.cumsum(0) - sizes, torch.tensor([g.n_edges for g in parts]))
        starts = starts.to(parts[0].centre.device)
        return Graph(
            Structures.concatenate(g.structures for g in parts),
            torch.cat([g.centre for g in parts]) + starts,
            torch.cat([g.neighbour for g in parts]) + starts,
            torch.cat([g.shift for g in parts]),
            cutoffs.pop(),
        )

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Graph:
        """Move all tensors; ``dtype`` applies to floating-point tensors only."""
        return Graph(
            self.structures.to(device, dtype),
            self.centre.to(device),
            self.neighbour.to(device),
            self.shift.to(device),
            self.cutoff,
        )

    def with_structures(self, structures: Structures) -> Graph:
        """Keep the edges, exchange the structures (moved positions, strained cells, other labels)."""
        return replace(self, structures=structures)
