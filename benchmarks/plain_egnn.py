"""The E(n) network as it is usually written, as a peer: gather, concatenate, multiply, ``index_add``.

The same equations and, given the same weights, the same numbers as ``atomscape.encoders.egnn`` with one copy
of the positions and no radial functions. Plain torch, no operation of atomscape but the neighbour graph.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import silu

from atomscape.atoms.graph import Graph
from atomscape.encoders import egnn
from atomscape.nn.embedding import Embedding


class PlainLayer(nn.Module):
    """Eq. 3–6 of Satorras et al. 2021, edge by edge."""

    def __init__(self, layer: egnn.Layer) -> None:
        super().__init__()
        parts = layer.message_centre, layer.message_neighbour, layer.message_distance
        self.first = joined(*parts)
        self.second = layer.message
        self.move_first, self.move_second, self.mix = layer.move_hidden, layer.move, layer.mix
        self.node_first, self.node_second = joined(layer.update_atom, layer.update_message), layer.update

    def forward(self, h, u, r, cut, centre, neighbour, cutoff):
        """Scalars and displacements after the layer."""
        x = r + u[neighbour] - u[centre]
        square = (x**2).sum(1, keepdim=True) / cutoff**2
        m = silu(self.first(torch.cat([h[centre], h[neighbour], square], 1)))
        m = silu(self.second(m))
        moved = x * self.move_second(silu(self.move_first(m))) * cut
        u = u + torch.zeros_like(u).index_add(0, centre, moved) * self.mix.weight
        total = torch.zeros_like(h).index_add(0, centre, m * cut)
        return h + self.node_second(silu(self.node_first(torch.cat([h, total], 1)))), u


class PlainNetwork(nn.Module):
    """The whole encoder with the weights of ours."""

    def __init__(self, ours: egnn.EquivariantGraphNetwork) -> None:
        super().__init__()
        self.config, self.cutoff, self.irreps = ours.config, ours.cutoff, ours.irreps
        self.species, self.vectors = ours.species, ours.vectors
        self.layers = nn.ModuleList(
            PlainLayer(layer)  # pyright: ignore[reportArgumentType]
            for layer in ours.layers
        )

    def forward(self, graph: Graph, layers: bool = False) -> Embedding:
        """Embed the atoms of a graph."""
        s, centre, neighbour = graph.structures, graph.centre, graph.neighbour
        h = self.species(s.numbers)
        image = torch.einsum("ei,eij->ej", graph.shift.to(s.cell.dtype), s.cell[s.structure[centre]])
        r = (s.positions[neighbour] - s.positions[centre] + image).to(h.dtype)[:, [1, 2, 0]]
        d = (r**2).sum(1, keepdim=True).sqrt() / self.cutoff
        cut = torch.where(d < 1, 1 - 28 * d**6 + 48 * d**7 - 21 * d**8, torch.zeros_like(d))
        cut = cut / (self.config.average_neighbours or 1.0)
        u = h.new_zeros(len(h), 3)
        for layer in self.layers:
            h, u = layer(h, u, r, cut, centre, neighbour, self.cutoff)
        return Embedding({(0, 1): h[:, None], (1, -1): self.vectors(u[:, :, None])}, "last")


def joined(*parts: nn.Linear) -> nn.Linear:
    """One linear layer on what is concatenated, in place of several that are added."""
    weight = torch.cat([p.weight.detach() for p in parts], 1)
    made = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        made.weight.copy_(weight)
        made.bias.copy_(parts[0].bias)
    return made
