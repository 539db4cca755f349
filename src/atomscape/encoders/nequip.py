"""NequIP (Batzner et al. 2022, arXiv:2101.03164): equivariant convolutions between gates made of scalars.

Per layer, with features h[a, lm, c] of degrees up to ``l_max`` (scalars of the element at first), edges ij:

    m_i = (1/n̄) Σ_j Σ_paths R_path(r_ij) · (W₁ h_j ⊗ Y(r̂_ij))     convolution; n̄ mean neighbours
    u_i = (W₂ m_i + W[Z_i] h_i) / √2                                  self-interaction and self-connection
    h_i ← gate(u_i)                                                   scalars of u_i gate the other degrees

R is a small network on Bessel functions that goes to zero, with two derivatives, at the cutoff. W[Z] mixes
the channels of each degree as the element says. The sum over paths is inside the convolution: R has a weight
for each path and channel, and W₂ mixes channels afterwards, where the authors' code mixes paths and channels
at once. Parity is natural by default; ``both`` has every degree with both parities, as the paper's networks.

The last layer makes degrees up to ``l_out`` only: an energy is read from scalars, and what leads to no other
is not computed.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from atomscape.atoms.graph import Graph
from atomscape.nn.edges import Edges, edges
from atomscape.nn.element_weights import ElementInteraction
from atomscape.nn.embedding import Embedding
from atomscape.nn.kinds import Kinds, kinds_of
from atomscape.nn.layout import Layout
from atomscape.nn.linear import SelfInteraction
from atomscape.nn.radial import RadialNetwork
from atomscape.nn.scalar_gate import ScalarGate
from atomscape.nn.species import SpeciesEmbedding
from atomscape.o3.irreps import Irreps
from atomscape.ops.convolution import Coupling
from atomscape.ops.radial_convolution import radial_convolution
from atomscape.shapes import Float, Tensor


class Config(BaseModel):
    """Hyper-parameters; ``average_neighbours`` is measured on the training data where it is not given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    l_max: int = Field(2, ge=0, le=6, description="largest degree of features and filters")
    l_out: int = Field(0, ge=0, le=6, description="largest degree of the embedding; energies need 0")
    channels: int = Field(64, ge=1, description="channels of every degree")
    layers: int = Field(4, ge=1)
    cutoff: float = Field(5.0, gt=0, description="Å")
    n_radial: int = Field(8, ge=1, description="radial functions")
    radial_hidden: int = Field(32, ge=0, description="width of the radial network; 0: linear in the basis")
    radial_layers: int = Field(1, ge=1, description="hidden layers of the radial network")
    parity: Literal["natural", "both", "so3"] = "natural"
    average_neighbours: float | None = Field(None, gt=0, description="divides every sum over neighbours")
    element_numbers: int = Field(8, ge=1, description="numbers of an element that its weights are made of")


class Layer(nn.Module):
    """Self-interaction, convolution, self-interaction with gates, self-connection, nonlinearity."""

    def __init__(self, config: Config, incoming: Layout, l_out: int) -> None:
        super().__init__()
        c, numbers = config.channels, config.element_numbers
        self.incoming, self.layout = incoming, Layout(l_out, config.parity)
        self.coupling = Coupling(incoming.l_max, config.l_max, l_out, config.parity, incoming.runs == 2)
        self.norm = config.average_neighbours or 1.0
        self.before = SelfInteraction(incoming, c, c)
        self.radial = RadialNetwork(
            *(config.n_radial, config.radial_hidden, len(self.coupling.paths), c),
            unit_within=config.cutoff,
            layers=config.radial_layers,
        )
        self.after = SelfInteraction(self.layout, c, c)
        self.gate = ScalarGate(self.layout)
        self.gates = SelfInteraction(Layout(0), c, len(self.gate.gated) * c)
        self.kept = Layout(min(incoming.l_max, l_out), incoming.parity)
        self.connection = ElementInteraction(self.kept, c, c, numbers)
        self.gate_connection = ElementInteraction(Layout(0), c, len(self.gate.gated) * c, numbers)

    def forward(
        self, h: Float[Tensor, "atoms lm_in channels"], e: Edges, kinds: Kinds
    ) -> Float[Tensor, "atoms lm channels"]:
        """One layer; the first one takes scalars and returns all degrees."""
        radial = self.radial(e)
        m = radial_convolution(
            *(self.before(h), e.harmonics, radial.h, radial.W),
            *(e.centre, e.neighbour, self.coupling, radial.start),
        )
        m = m / self.norm
        kept = self.connection(self.incoming.narrowed(h, self.kept), kinds)
        u = self.after(m) + self.kept.widened(kept, self.layout)
        gates = self.gates(m[:, :1]) + self.gate_connection(h[:, :1], kinds)
        return self.gate(u * 0.5**0.5, 0.5**0.5 * gates.view(h.shape[0], len(self.gate.gated), h.shape[2]))


class NequIP(nn.Module):
    """The encoder; see the module's text for the equations."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config, self.cutoff = config, config.cutoff
        self.species = SpeciesEmbedding(config.channels)
        full = [Layout(config.l_max, config.parity)] * (config.layers - 1)
        self.layout = Layout(config.l_out, config.parity)
        self.layouts = [*full, self.layout]
        self.layers = nn.ModuleList(
            Layer(config, incoming, layout.l_max)
            for incoming, layout in zip([Layout(0, "so3"), *full], self.layouts, strict=True)
        )

    @property
    def irreps(self) -> Irreps:
        """Content of the embedding."""
        return Irreps([(self.config.channels, (l, p or 1)) for l, p in self.layout.keys])

    def forward(self, graph: Graph, layers: bool = False) -> Embedding:
        """Embed the atoms of a graph; with ``layers`` the embedding after every layer comes along."""
        kinds = kinds_of(graph.structures.numbers)
        h = self.species(graph.structures.numbers).unsqueeze(1)
        e = edges(graph, self.cutoff, self.config.l_max, self.config.n_radial, h.dtype)
        seen = [Embedding({self.layout.keys[0]: h}, "species")]
        for n, (layer, layout) in enumerate(zip(self.layers, self.layouts, strict=True), start=1):
            h = layer(h, e, kinds)
            seen.append(layout.embedding(h, f"layer {n}"))
        return Embedding(seen[-1].blocks, seen[-1].layer, tuple(seen) if layers else ())


def build(config: Config) -> NequIP:
    """Make the encoder; weights come from torch's global generator, seeded by the caller."""
    return NequIP(config)
