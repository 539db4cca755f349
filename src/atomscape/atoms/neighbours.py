"""Neighbour search: which atoms, and which periodic images of atoms, lie within a cutoff of each atom.

The search itself is the operation ``neighbour_pairs``: on a CPU native code serves the whole batch in one
call; its readable reference, which tries every pair with every image, serves ``brute_force_graph``. A pair is
judged by one float64 arithmetic, r² < cutoff², so the graph does not depend on who serves, nor on the number
of threads, and an edge always has its reverse.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from atomscape.atoms.graph import Graph
from atomscape.atoms.structures import Structures
from atomscape.atoms.validate import check_cells
from atomscape.ops.neighbours import neighbour_pairs


def neighbour_graph(structures: Structures, cutoff: float) -> Graph:
    """Return all directed pairs with 0 ≤ r < ``cutoff`` (Å), sorted by centre, neighbour and shift.

    Periodic images count as neighbours, those of the atom itself too; cells may be small or skewed, atoms may
    lie outside the cell, and any subset of the three directions may be periodic. The search runs on the CPU,
    on as many threads as torch has; the graph is on the structures' device.

    Raises
    ------
    ValueError
        The cutoff is not positive and finite, a position is not finite, a periodic cell is singular, or atoms
        are so far outside their cell, or the cutoff is so large, that images cannot be numbered.
    """
    return _graph(structures, cutoff, neighbour_pairs)


def brute_force_graph(structures: Structures, cutoff: float) -> Graph:
    """Return the same graph as ``neighbour_graph`` by trying every pair with every image in reach.

    Cost grows as atoms² × images: a reference for tests and for reading, not for work.
    """
    return _graph(structures, cutoff, neighbour_pairs.reference)


def _graph(structures: Structures, cutoff: float, search: Callable) -> Graph:
    """Check, search on the CPU in float64, bring the edges to the structures."""
    if not 0 < cutoff < math.inf:
        raise ValueError(f"cutoff of {cutoff} Å asked for; a neighbour graph needs a positive, finite one.")
    x = structures.positions.detach().cpu().double()
    cell, pbc = structures.cell.detach().cpu().double(), structures.pbc.cpu()
    check_cells(x.numpy(), cell.numpy(), pbc.numpy(), structures.counts.cpu().numpy())
    edges = search(x, cell, pbc, structures.offsets.cpu(), float(cutoff))
    centre, neighbour, shift = (e.to(structures.device) for e in edges)
    return Graph(structures, centre, neighbour, shift, float(cutoff))
