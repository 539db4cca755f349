"""What a network of another package is given of a graph.

Most are functions of the edge vectors. Some look at whole structures. Either way what a network can be
differentiated by is one tensor of rows of three numbers, and all else are indices:

    reads "edges"        edge vectors
    reads "structures"   edge vectors, then positions, then the rows of the cells, all in Å

Derivatives by all of these add up to those by positions and cells, whichever of them the network looks at.
"""

from __future__ import annotations

from typing import Literal

import torch

from atomscape.atoms.graph import Graph
from atomscape.shapes import Float, Tensor

Reads = Literal["edges", "structures"]


def rows(graph: Graph, reads: Reads) -> Float[Tensor, "rows 3"]:
    """What the network can be differentiated by."""
    if reads == "edges":
        return graph.vectors
    s = graph.structures
    return torch.cat([graph.vectors, s.positions, s.cell.flatten(0, 1)])


def indices(graph: Graph, reads: Reads) -> dict[str, Tensor]:
    """Whole numbers: ``numbers`` and ``structure`` of atoms, ``centre`` and ``neighbour`` of edges.

    For whole structures also ``shift`` of edges, in lattice vectors, and ``pbc`` of structures.
    """
    s = graph.structures
    found = {
        "numbers": s.numbers,
        "centre": graph.centre,
        "neighbour": graph.neighbour,
        "structure": s.structure,
    }
    return found if reads == "edges" else {**found, "shift": graph.shift, "pbc": s.pbc}
