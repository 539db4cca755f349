"""Neighbour graph: directed edges, sorted by centre, with periodic images.

Edge vector = position of the neighbour's image − position of the centre (Å).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from atomscape.atoms.structures import Structures
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

    @property
    def row_offsets(self) -> Int[Tensor, " rows"]:
        """First edge of each centre, and the number of edges at the end."""
        counts = torch.bincount(self.centre, minlength=self.n_atoms)
        return torch.cat([counts.new_zeros(1), counts.cumsum(0)])

    @property
    def vectors(self) -> Float[Tensor, "edges 3"]:
        """r_neighbour + shift·cell − r_centre, computed anew so derivatives reach positions and cell."""
        s = self.structures
        r = s.positions[self.neighbour] - s.positions[self.centre]
        cell = s.cell[s.structure[self.centre]]
        return r + torch.einsum("ei,eij->ej", self.shift.to(r.dtype), cell)

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
