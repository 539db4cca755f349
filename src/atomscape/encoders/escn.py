"""Convolutions in the frame of each edge, for high degrees (eSCN, Passaro & Zitnick 2023, arXiv:2302.03655).

The tensor product of features and harmonics costs l_max⁶ operations per edge. In a frame whose z axis is the
edge it falls apart into one matrix for each order m, l_max³ in all, and orders can be cut at ``m_max``: high
degrees at the price of low ones. Per layer, with D_ij Wigner matrices that turn edge ij to the z axis:

    x_ij = ρ(r_ij) · D_ij W_in h_j                        orders |m| ≤ m_max; ρ per degree, order and channel
    m_i  = (1/n̄) Σ_j D_ijᵀ L₂ g(L₁ x_ij)                   L one matrix per m, sec. 3.2
    u    = W_out m_i + W_skip h_i,    h_i ← h_i + gate(u)  as in tfn

Between L₁ and L₂ each degree is multiplied by invariants made of order 0 (``nn.so2``). The paper evaluates
features on a grid of the sphere there, which is not exactly equivariant, and neither are its energies. Sums
with one L, without g, and with m_max = l_max are exactly those tensor products (``tests/against``).
"""

from __future__ import annotations

from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from atomscape.atoms.graph import Graph
from atomscape.nn.edge_frames import edge_frames, into_frames, out_of_frames
from atomscape.nn.edges import Edges, edges
from atomscape.nn.embedding import Embedding
from atomscape.nn.gate import Gate
from atomscape.nn.layout import Layout
from atomscape.nn.linear import SelfInteraction
from atomscape.nn.radial import RadialNetwork
from atomscape.nn.so2 import OrderGate, OrderMaps
from atomscape.nn.species import SpeciesEmbedding
from atomscape.o3.irreps import Irreps
from atomscape.ops.radial_convolution import radial_weights
from atomscape.ops.segment import segment_sum
from atomscape.shapes import Float, Tensor


class Config(BaseModel):
    """Hyper-parameters; ``average_neighbours`` is measured on the training data where it is not given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    l_max: int = Field(4, ge=0, description="largest degree of features")
    m_max: int = Field(2, ge=0, description="largest order in the frame of an edge")
    channels: int = Field(32, ge=1, description="channels of every degree")
    layers: int = Field(3, ge=1)
    cutoff: float = Field(5.0, gt=0, description="Å")
    n_radial: int = Field(8, ge=1, description="Bessel functions")
    radial_hidden: int = Field(32, ge=0, description="width of the radial network; 0: linear in the basis")
    average_neighbours: float | None = Field(None, gt=0, description="divides every sum over neighbours")


class FramedEdges(NamedTuple):
    """Edges, and Wigner's D of the rotation of each to the z axis."""

    edges: Edges
    D: list[Tensor]


class Layer(nn.Module):
    """Convolution in edge frames, self-interaction, gate, residual."""

    def __init__(self, config: Config, incoming: Layout) -> None:
        super().__init__()
        c, self.layout, self.incoming = config.channels, Layout(config.l_max), incoming
        self.norm = config.average_neighbours or 1.0
        l_in, l_out = incoming.l_max, config.l_max
        self.m_max = min(config.m_max, l_in)
        self.before = SelfInteraction(incoming, c, c)
        self.degrees = [l_in + 1 - m for m in range(self.m_max + 1)]
        self.radial = RadialNetwork(config.n_radial, config.radial_hidden, sum(self.degrees), c)
        self.first = OrderMaps(l_in, l_out, self.m_max, c, extra=(l_out + 1) * c)
        self.between = OrderGate(l_out, c)
        self.second = OrderMaps(l_out, l_out, self.m_max, c)
        self.after = SelfInteraction(self.layout, c, c, bias=True)
        self.skip = SelfInteraction(incoming, c, c)
        self.gate = Gate(self.layout, c)

    def forward(
        self, h: Float[Tensor, "atoms lm_in channels"], framed: FramedEdges
    ) -> Float[Tensor, "atoms lm channels"]:
        """One layer; the first one takes scalars and returns all degrees."""
        e = framed.edges
        m = segment_sum(self._messages(self.before(h), framed), e.centre, h.shape[0])
        u = self.after(m / self.norm) + self.incoming.widened(self.skip(h), self.layout)
        return self.incoming.widened(h, self.layout) + self.gate(u)

    def _messages(
        self, x: Float[Tensor, "atoms lm_in channels"], framed: FramedEdges
    ) -> Float[Tensor, "edges lm channels"]:
        """What neighbours say; it is zero where the radial functions end."""
        e, D = framed
        orders = into_frames(x.index_select(0, e.neighbour), D, self.incoming.l_max, self.m_max)
        rho = radial_weights(*self.radial(e)).split(self.degrees, 1)
        weighed = tuple(o * R.unsqueeze(1) for o, R in zip(orders, rho, strict=True))
        mapped, gates = self.first(weighed)
        said, _ = self.second(self.between(mapped, gates))
        return out_of_frames(said, D, self.layout.l_max, self.m_max)


class EdgeFrameNetwork(nn.Module):
    """The encoder; see the module's text for the equations."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config, self.cutoff, self.layout = config, config.cutoff, Layout(config.l_max)
        self.species = SpeciesEmbedding(config.channels)
        layouts = [Layout(0)] + [self.layout] * (config.layers - 1)
        self.layers = nn.ModuleList(Layer(config, incoming) for incoming in layouts)

    @property
    def irreps(self) -> Irreps:
        """Content of the embedding."""
        return Irreps([(self.config.channels, key) for key in self.layout.keys])

    def forward(self, graph: Graph, layers: bool = False) -> Embedding:
        """Embed the atoms of a graph; with ``layers`` the embedding after every layer comes along."""
        h = self.species(graph.structures.numbers).unsqueeze(1)
        e = edges(graph, self.cutoff, 0, self.config.n_radial, h.dtype)
        framed = FramedEdges(e, edge_frames(graph.vectors.to(h.dtype), self.config.l_max))
        seen = [Embedding({(0, 1): h}, "species")]
        for n, layer in enumerate(self.layers, start=1):
            h = layer(h, framed)
            seen.append(self.layout.embedding(h, f"layer {n}"))
        return Embedding(seen[-1].blocks, seen[-1].layer, tuple(seen) if layers else ())


def build(config: Config) -> EdgeFrameNetwork:
    """Make the encoder; weights come from torch's global generator, seeded by the caller."""
    return EdgeFrameNetwork(config)
