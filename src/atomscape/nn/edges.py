"""What every layer needs of the edges, computed once per graph: harmonics and radial functions."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from atomscape.atoms.graph import Graph
from atomscape.ops.harmonics import spherical_harmonics
from atomscape.ops.radial import bessel_basis, lengths, polynomial_cutoff
from atomscape.shapes import Float, Int, Tensor


class Edges(NamedTuple):
    """Edges of one graph in the network's dtype."""

    centre: Int[Tensor, " edges"]
    neighbour: Int[Tensor, " edges"]
    harmonics: Float[Tensor, "edges lm"]
    radial: Float[
        Tensor, "edges basis"
    ]  # basis functions times cutoff: zero, with two derivatives, at the cutoff


def edges(graph: Graph, cutoff: float, l_max: int, n_radial: int, dtype: torch.dtype) -> Edges:
    """Harmonics Y(r̂) and cut-off Bessel functions of each edge; edges beyond ``cutoff`` contribute zero.

    Vectors are computed in the precision of the positions (float64) and cast to the network's afterwards.

    Raises
    ------
    ValueError
        The graph was searched with a smaller cutoff: edges would be missing.
    """
    check_cutoff(graph, cutoff)
    vectors = graph.vectors.to(dtype)
    r = lengths(vectors)
    radial = bessel_basis(r, cutoff, n_radial) * polynomial_cutoff(r, cutoff).unsqueeze(-1)
    return Edges(graph.centre, graph.neighbour, spherical_harmonics(vectors, l_max), radial)


def check_cutoff(graph: Graph, cutoff: float) -> None:
    """Raise ``ValueError`` if a graph ends before the encoder does; a larger graph does no harm."""
    if graph.cutoff < cutoff:
        raise ValueError(
            f"the graph has edges up to {graph.cutoff} Å, the encoder needs them up to {cutoff} Å; "
            "make it with neighbour_graph(structures, encoder.cutoff)"
        )


class RadialNetwork(nn.Module):
    """Radial weights R(r) of every path and channel: basis → hidden → paths × channels (no biases).

    Without biases R is exactly zero where the cut-off basis is, so no message survives beyond the cutoff.
    """

    def __init__(self, n_radial: int, hidden: int, paths: int, channels: int) -> None:
        super().__init__()
        self.paths, self.channels = paths, channels
        self.hidden = nn.Linear(n_radial, hidden, bias=False) if hidden else None
        self.out = nn.Linear(hidden or n_radial, paths * channels, bias=False)
        nn.init.normal_(self.out.weight, std=(hidden or n_radial) ** -0.5)

    def forward(self, radial: Float[Tensor, "edges basis"]) -> Float[Tensor, "edges paths channels"]:
        """Evaluate on the cut-off basis."""
        if self.hidden is not None:
            radial = nn.functional.silu(self.hidden(radial))
        return self.out(radial).unflatten(-1, (self.paths, self.channels))
