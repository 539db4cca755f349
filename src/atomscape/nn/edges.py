"""What every layer needs of the edges, computed once per graph: harmonics and radial functions."""

from __future__ import annotations

from typing import NamedTuple

import torch

from atomscape.atoms.graph import Graph
from atomscape.ops.harmonics import spherical_harmonics
from atomscape.ops.radial import BASES, lengths
from atomscape.shapes import Float, Int, Tensor


class Edges(NamedTuple):
    """Edges of one graph in the network's dtype."""

    centre: Int[Tensor, " edges"]
    neighbour: Int[Tensor, " edges"]
    lengths: Float[Tensor, " edges"]  # Å
    harmonics: Float[Tensor, "edges lm"]
    radial: Float[
        Tensor, "edges basis"
    ]  # basis functions times cutoff: zero, with two derivatives, at the cutoff


def edges(
    graph: Graph, cutoff: float, l_max: int, n_radial: int, dtype: torch.dtype, basis: str = "bessel"
) -> Edges:
    """Harmonics Y(r̂) and cut-off radial functions of each edge; edges beyond ``cutoff`` contribute zero.

    Vectors are computed in the precision of the positions (float64) and cast to the network's afterwards.

    Raises
    ------
    ValueError
        The graph was searched with a smaller cutoff: edges would be missing.
    """
    check_cutoff(graph, cutoff)
    vectors = graph.vectors.to(dtype)
    r = lengths(vectors)
    harmonics, radial = spherical_harmonics(vectors, l_max), BASES[basis](r, cutoff, n_radial)
    return Edges(graph.centre, graph.neighbour, r, harmonics, radial)


def check_cutoff(graph: Graph, cutoff: float) -> None:
    """Raise ``ValueError`` if a graph ends before the encoder does; a larger graph does no harm."""
    if graph.cutoff < cutoff:
        raise ValueError(
            f"the graph has edges up to {graph.cutoff} Å, the encoder needs them up to {cutoff} Å; "
            "make it with neighbour_graph(structures, encoder.cutoff)"
        )
