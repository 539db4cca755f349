"""The smallest encoder that keeps all laws, and ways to break it: what each law is tested on.

    layer 1:  h_i^l = W_l[z_i] Σ_j w[z_j] Y_l(r̂_ij) r_ij^l f(r_ij),   h⁰ gets the element's own feature on top
    layer 2:  h⁰ ← tanh(h⁰ + Σ_l mean_m (h^l)²)

Read it as the Encoder contract in sixty lines.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from atomscape.atoms.graph import Graph
from atomscape.nn.embedding import Embedding
from atomscape.o3.harmonics import solid_harmonics
from atomscape.o3.irreps import Irreps
from atomscape.shapes import Float, Tensor

Fault = Literal[
    "frame",  # adds a vector fixed in space
    "handed",  # labels a pseudovector as a vector
    "origin",  # reads absolute positions
    "order",  # reads the number of the atom
    "shifts",  # forgets the periodic images' shifts
    "cell",  # reads the lattice vectors themselves
    "size",  # reads the number of atoms of the structure
    "mates",  # subtracts the mean of the batch
    "sharp",  # cutoff without continuous derivative
    "norm",  # takes the norm of vectors that may vanish
    "far",  # sees atoms beyond the cutoff
    "lonely",  # divides by the number of neighbours
    "detached",  # derivatives miss a part
    "random",  # draws in its forward pass
    "single",  # computes in float32
    "forgets",  # keeps a weight outside its state
    "dead",  # a block that is always zero
    "layers",  # returns other layers than it says
]


class ToyEncoder(nn.Module):
    """One convolution and one nonlinearity; ``fault`` breaks it in one way."""

    def __init__(self, l_max: int = 2, channels: int = 4, cutoff: float = 3.0, fault: Fault | None = None):
        super().__init__()
        self.l_max, self.channels, self.cutoff, self.fault = l_max, channels, cutoff, fault
        self.own = nn.Parameter(torch.randn(119, channels))
        self.weight = nn.Parameter(torch.randn(l_max + 1, 119, channels))
        self.outside = torch.randn(channels)

    @property
    def irreps(self) -> Irreps:
        """Content of the embedding."""
        return Irreps([(self.channels, (l, (-1) ** l)) for l in range(self.l_max + 1)])

    def forward(self, graph: Graph, layers: bool = False) -> Embedding:
        """Embed the atoms of a graph."""
        z = graph.structures.numbers
        first = {(l, (-1) ** l): self._sum(graph, l) for l in range(self.l_max + 1)}
        first[0, 1] = first[0, 1] + self.own[z].unsqueeze(1)
        scalars = first[0, 1] + sum(b.square().mean(1, keepdim=True) for b in first.values())
        last = self._broken(graph, {**first, (0, 1): torch.tanh(scalars)})
        steps = (Embedding(first, "layer 1"), Embedding(first if self.fault == "layers" else last, "layer 2"))
        return Embedding(last, "layer 2", steps if layers else ())

    def _sum(self, graph: Graph, l: int) -> Float[Tensor, "atoms m channels"]:
        z, dtype = graph.structures.numbers, self.own.dtype
        vectors = graph.vectors
        if self.fault == "shifts":
            vectors = graph.structures.positions[graph.neighbour] - graph.structures.positions[graph.centre]
        x = (vectors.square().sum(1) / self.cutoff**2).clamp(max=1.0)
        fade = torch.where(x < 1, 1 - x if self.fault == "sharp" else (1 - x) ** 3, torch.zeros_like(x))
        harmonics = solid_harmonics(vectors / self.cutoff, self.l_max)[:, l * l : (l + 1) ** 2]
        edge = (harmonics * fade.unsqueeze(1)).to(torch.float32 if self.fault == "single" else dtype)
        messages = edge.to(dtype).unsqueeze(2) * self.weight[l, z[graph.neighbour]].unsqueeze(1)
        total = messages.new_zeros(graph.n_atoms, *messages.shape[1:]).index_add(0, graph.centre, messages)
        if self.fault == "lonely":
            count = torch.bincount(graph.centre, minlength=graph.n_atoms)
            total = total / count[:, None, None].to(dtype)
        return total * self.weight[l, z].unsqueeze(1)

    def _broken(self, graph: Graph, blocks: dict) -> dict:
        s, dtype = graph.structures, self.own.dtype
        x, n = s.positions.to(dtype), graph.n_atoms
        scalars, vectors = (0, 1), (1, -1)
        extra = {
            "origin": lambda: x.square().sum(1),
            "order": lambda: torch.arange(n, dtype=dtype),
            "cell": lambda: s.cell.to(dtype).square().sum((1, 2))[s.structure],
            "size": lambda: s.counts.to(dtype)[s.structure],
            "norm": lambda: blocks[vectors].norm(dim=1).sum(1),
            "far": lambda: _far(s),
            "detached": lambda: blocks[vectors].detach().square().sum((1, 2)) - 0.5 * _live(blocks[vectors]),
            "random": lambda: torch.randn(n, dtype=dtype),
            "forgets": lambda: self.outside.to(dtype).sum() * blocks[scalars].square().sum((1, 2)),
        }
        if self.fault in extra:
            added = extra[self.fault]().to(dtype).reshape(n, 1, 1)
            return {**blocks, scalars: blocks[scalars] + 0.1 * added}
        if self.fault == "frame":
            return {
                **blocks,
                vectors: blocks[vectors] + 0.1 * torch.tensor([1.0, 0, 0], dtype=dtype)[:, None],
            }
        if self.fault == "handed":
            # y, z, x is an even permutation of x, y, z, so the cross product may be taken in this order.
            a, b = blocks[vectors][:, :, 0], blocks[vectors][:, :, 1]
            cross = torch.linalg.cross(a, b, dim=1).unsqueeze(2)
            return {**blocks, vectors: blocks[vectors] + cross}
        if self.fault == "mates" and n:
            return {**blocks, scalars: blocks[scalars] - blocks[scalars].mean(0, keepdim=True)}
        if self.fault == "dead":
            return {k: b * 0 if k == vectors else b for k, b in blocks.items()}
        return blocks


def _live(block: Tensor) -> Tensor:
    return block.square().sum((1, 2))


def _far(s) -> Tensor:
    pairs = torch.cdist(s.positions, s.positions)
    same = s.structure[:, None] == s.structure[None]
    return (same / (1 + pairs.square() / 1e4)).sum(1)
