"""E(n)-equivariant graph network (Satorras, Hoogeboom, Welling 2021, arXiv:2102.09844), on a periodic graph.

Per layer, with scalars h_i, edge vectors x_ij and f a cutoff that goes to zero with two derivatives:

    m_ij = φ_e(h_i, h_j, |x_ij|²/c², a_ij)           eq. 3; a_ij are Bessel functions of |r_ij|, if any
    u_i ← u_i + (1/n̄) Σ_j f(r_ij) φ_x(m_ij) x_ij     eq. 4, as displacements; n̄ mean neighbours
    h_i ← h_i + φ_h(h_i, (1/n̄) Σ_j f(r_ij) m_ij)     eq. 5 and 6, with the residual of the authors' code

Eq. 4 moves atoms, and a position means nothing in a crystal. What is kept here is how far an atom has moved:
u_i is a vector feature, zero at first, and x_ij = r_ij + u_j − u_i with r_ij the vector of the edge, to
whichever image it goes. Graph and cutoff stay those of the atoms as they are given.

Several copies of the positions move independently (``coordinates``), as in the multi-channel network of Levy
et al. 2023 (arXiv:2309.03139); the matrix between copies that φ_x gives there is here one factor per copy and
edge, times a matrix of the layer. The embedding has vectors, u mixed into as many channels as there are
scalars. With ``update_positions: false`` nothing moves, and the embedding has scalars only.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from atomscape.atoms.graph import Graph
from atomscape.nn.edges import check_cutoff
from atomscape.nn.embedding import Embedding
from atomscape.nn.species import SpeciesEmbedding
from atomscape.o3.irreps import Irreps
from atomscape.ops.activation import silu
from atomscape.ops.convolution import Coupling, convolution
from atomscape.ops.radial import lengths, polynomial_cutoff, radial_basis
from atomscape.ops.segment import segment_sum
from atomscape.shapes import Float, Int, Tensor


class Config(BaseModel):
    """Hyper-parameters; ``average_neighbours`` is measured on the training data where it is not given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    channels: int = Field(128, ge=1, description="channels of scalars, and of vectors")
    layers: int = Field(4, ge=1)
    cutoff: float = Field(5.0, gt=0, description="Å")
    n_radial: int = Field(8, ge=0, description="Bessel functions of the distance; 0: its square alone")
    update_positions: bool = Field(True, description="false: nothing moves, and there are no vectors")
    coordinates: int = Field(4, ge=1, description="copies of the positions that move")
    move_channels: int = Field(32, ge=1, description="hidden channels of the network that moves them, φ_x")
    update_channels: int | None = Field(
        None, ge=1, description="hidden channels of φ_h; left out, as many as there are scalars"
    )
    average_neighbours: float | None = Field(None, gt=0, description="divides every sum over neighbours")


SHARED = ("message_centre", "message_neighbour", "update_atom", "update_message")
"""Linear layers whose results are added in pairs."""


class EdgesOfLayer(NamedTuple):
    """What layers read of the edges; all but ``vectors`` is the same for each."""

    centre: Int[Tensor, " edges"]
    neighbour: Int[Tensor, " edges"]
    vectors: Float[Tensor, "edges 3"]  # y, z, x: the order of degree 1
    radial: Float[Tensor, "edges basis"]
    cut: Float[Tensor, "edges 1"]  # over the mean number of neighbours


class Layer(nn.Module):
    """One step of eq. 3–6."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        c, k = config.channels, config.coordinates if config.update_positions else 1
        self.cutoff = config.cutoff
        self.message_centre, self.message_neighbour = nn.Linear(c, c), nn.Linear(c, c, bias=False)
        self.message_distance = nn.Linear(k + config.n_radial, c, bias=False)
        self.message = nn.Linear(c, c)
        wide = config.update_channels or c
        self.update_atom, self.update_message = nn.Linear(c, wide), nn.Linear(c, wide, bias=False)
        self.update = nn.Linear(wide, c)
        self.moves = config.update_positions
        if self.moves:
            self.move_hidden = nn.Linear(c, config.move_channels)
            self.move = nn.Linear(config.move_channels, k, bias=False)
            self.mix = nn.Linear(k, k, bias=False)
        self._draw(config.n_radial)

    @torch.no_grad()
    def _draw(self, n_radial: int) -> None:
        """Draw weights that carry on the size of what comes in, and distances that count from the start.

        What the distance adds to a message varies with unit mean square over the sphere of the cutoff. With
        torch's own weights neighbours would hardly be felt: a hundredth of what the elements say.
        """
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                split = 2 if name.removesuffix(".weight") in SHARED else 1
                nn.init.normal_(weight, std=(split * weight.shape[1]) ** -0.5)
        if self.moves:  # atoms that move far would see other distances, and move further still
            self.move.weight *= 0.1
        r = torch.linspace(0, self.cutoff, 129)
        share = (r.square() / r.square().sum()).unsqueeze(1)
        copies = self.message_distance.in_features - n_radial
        squares = (r / self.cutoff).square().unsqueeze(1).expand(-1, copies)
        z = self.message_distance(torch.cat([squares, basis(r, self.cutoff, n_radial)], 1))
        z = z - (share * z).sum(0)
        self.message_distance.weight /= (share * z.square()).sum(0).mean().sqrt()

    def forward(
        self, h: Float[Tensor, "atoms channels"], u: Float[Tensor, "atoms 3 copies"], e: EdgesOfLayer
    ) -> tuple[Float[Tensor, "atoms channels"], Float[Tensor, "atoms 3 copies"]]:
        """Scalars and displacements (Å) after the layer."""
        x = e.vectors.unsqueeze(2)
        if self.moves:
            x = x + (u.index_select(0, e.neighbour) - u.index_select(0, e.centre))
        m = self._messages(h, x, e)
        total = _cut_sum(m, h, e)
        hidden = silu(self.update_atom(h) + self.update_message(total))
        if self.moves:
            factors = self.move(silu(self.move_hidden(m))) * e.cut
            u = u + self.mix(segment_sum(x * factors.unsqueeze(1), e.centre, h.shape[0]))
        return h + self.update(hidden), u

    def _messages(
        self, h: Float[Tensor, "atoms channels"], x: Float[Tensor, "edges 3 copies"], e: EdgesOfLayer
    ) -> Float[Tensor, "edges channels"]:
        """φ_e; its first linear layer acts on centre, neighbour and distance apart, so nothing is joined."""
        distance = torch.cat([x.square().sum(1) / self.cutoff**2, e.radial], 1)
        z = self.message_distance(distance)
        z = z + self.message_centre(h).index_select(0, e.centre)
        z = z + self.message_neighbour(h).index_select(0, e.neighbour)
        return silu(self.message(silu(z)))


_SUM = Coupling(0, 0, 0)


def _cut_sum(
    m: Float[Tensor, "edges channels"], h: Float[Tensor, "atoms channels"], e: EdgesOfLayer
) -> Float[Tensor, "atoms channels"]:
    """Σ_j f(r_ij) m_ij, as the convolution of ones whose kernels never write f m to memory."""
    ones = torch.ones_like(h).unsqueeze(1)
    return convolution(ones, e.cut, m.unsqueeze(1), e.centre, e.neighbour, _SUM).squeeze(1)


class EquivariantGraphNetwork(nn.Module):
    """The encoder; see the module's text for the equations."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config, self.cutoff = config, config.cutoff
        self.species = SpeciesEmbedding(config.channels)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.moves = config.update_positions
        if self.moves:
            self.vectors = nn.Linear(config.coordinates, config.channels, bias=False)

    @property
    def irreps(self) -> Irreps:
        """Content of the embedding."""
        c = self.config.channels
        return Irreps([(c, (0, 1)), (c, (1, -1))] if self.moves else [(c, (0, 1))])

    def forward(self, graph: Graph, layers: bool = False) -> Embedding:
        """Embed the atoms of a graph; with ``layers`` the embedding after every layer comes along."""
        h = self.species(graph.structures.numbers)
        e = self._edges(graph, h.dtype)
        u = h.new_zeros(h.shape[0], 3, self.config.coordinates)
        seen = [Embedding({(0, 1): h.unsqueeze(1)}, "species")]
        for n, layer in enumerate(self.layers, start=1):
            h, u = layer(h, u, e)
            if layers or n == len(self.layers):
                seen.append(self._embedding(h, u, f"layer {n}"))
        return Embedding(seen[-1].blocks, seen[-1].layer, tuple(seen) if layers else ())

    def _edges(self, graph: Graph, dtype: torch.dtype) -> EdgesOfLayer:
        check_cutoff(graph, self.cutoff)
        vectors = graph.vectors.to(dtype)
        r = lengths(vectors)
        radial = basis(r, self.cutoff, self.config.n_radial)
        cut = polynomial_cutoff(r, self.cutoff).unsqueeze(1) / (self.config.average_neighbours or 1.0)
        return EdgesOfLayer(graph.centre, graph.neighbour, vectors[:, [1, 2, 0]], radial, cut)

    def _embedding(self, h: Tensor, u: Tensor, layer: str) -> Embedding:
        scalars = {(0, 1): h.unsqueeze(1)}
        return Embedding(scalars | {(1, -1): self.vectors(u)} if self.moves else scalars, layer)


def basis(r: Float[Tensor, " edges"], cutoff: float, count: int) -> Float[Tensor, "edges basis"]:
    """Bessel functions that end at the cutoff; there may be none."""
    return radial_basis(r, cutoff, count) if count else r.new_zeros(r.shape[0], 0)


def build(config: Config) -> EquivariantGraphNetwork:
    """Make the encoder; weights come from torch's global generator, seeded by the caller."""
    return EquivariantGraphNetwork(config)
