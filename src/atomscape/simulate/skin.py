"""Verlet skin: pairs are searched a bit beyond the cutoff, and serve until an atom has moved by half of that.

Two atoms that were further apart than cutoff + skin cannot come within the cutoff before one of them has
moved by skin/2 (Verlet, Phys. Rev. 159, 98 (1967)). The pairs kept are judged anew in every step, by the
arithmetic of the search itself, so the graph is the one that a search would find, edge by edge and in order:
a simulation is the same, bit for bit, with any skin.
"""

from __future__ import annotations

import torch

from atomscape.atoms.graph import Graph
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.structures import Structures
from atomscape.shapes import Bool, Tensor

SKIN = 0.5
"""Å. The search is fast, so any skin pays little: more of it, and more pairs have to be judged."""


class NeighbourSkin:
    """Neighbour graphs of structures that move. ``searches`` counts how often pairs were searched.

    Pairs are searched anew when an atom has moved by more than half the skin (Å), and when a cell, the
    elements or the structures themselves are others than before. A skin of zero searches every time.
    """

    def __init__(self, cutoff: float, skin: float = SKIN) -> None:
        if not skin >= 0:
            raise ValueError(f"a skin of {skin} Å asked for; give 0 (none) or a length, such as {SKIN}")
        self.cutoff, self.skin, self.searches = cutoff, skin, 0
        self._kept: Graph | None = None

    def graph(self, structures: Structures) -> Graph:
        """All pairs within the cutoff, as ``neighbour_graph`` has them.

        Raises
        ------
        ValueError
            As ``neighbour_graph`` does, for instance of positions that are not finite.
        """
        if not self.skin:
            self.searches += 1
            return neighbour_graph(structures, self.cutoff)
        if self._kept is None or not self._serves(self._kept.structures, structures):
            self.searches += 1
            self._kept = neighbour_graph(structures, self.cutoff + self.skin)
        return within(self._kept.with_structures(structures), self.cutoff)

    def _serves(self, then: Structures, now: Structures) -> bool:
        same = all(
            torch.equal(getattr(then, name), getattr(now, name))
            for name in ("numbers", "structure", "cell", "pbc")
        )
        if not same:
            return False
        moved = (now.positions - then.positions).square().sum(1)
        return bool((moved <= (self.skin / 2) ** 2).all())  # false where a position is not a number


def within(graph: Graph, cutoff: float) -> Graph:
    """The edges with r < ``cutoff`` (Å), in their order."""
    near = _closer(graph, cutoff)
    return Graph(
        graph.structures, graph.centre[near], graph.neighbour[near], graph.shift[near], float(cutoff)
    )


@torch.no_grad()
def _closer(graph: Graph, cutoff: float) -> Bool[Tensor, " edges"]:
    """Whether r² < cutoff², added up in float64 in the order of ``ops.neighbours.neighbour_pairs``."""
    s = graph.structures
    x = s.positions.double()
    d = x[graph.neighbour] - x[graph.centre]
    if bool(s.pbc.any()):
        shift, cell = graph.shift.double(), s.cell.double()
        rows = cell[s.structure[graph.centre]] if len(s) > 1 else cell
        for k in range(3):
            d = d + shift[:, k : k + 1] * rows[:, k]
    r = d[:, 0] * d[:, 0] + d[:, 1] * d[:, 1] + d[:, 2] * d[:, 2]
    return r < cutoff * cutoff
