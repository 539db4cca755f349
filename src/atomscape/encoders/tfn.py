"""Tensor field network (Thomas et al. 2018, arXiv:1802.08219) on a periodic graph with a cutoff.

Per layer, with features h[a, lm, c], messages m and edges ij:

    m_i = (1/n̄) Σ_j Σ_paths R_path(r_ij) · (W_in h_j ⊗ Y(r̂_ij))   convolution, eq. 4–5; n̄ mean neighbours
    u   = W_out m_i + W_skip h_i                                    self-interaction, eq. 6
    h_i ← h_i + gate(u)                                             nonlinearity, residual

R is a small network on Bessel functions that goes to zero, with two derivatives, at the cutoff. Parity is
natural by default; ``both`` adds pseudo-tensors of every degree, ``so3`` drops parity. Handedness is first seen
by the scalars of the third layer, in products of the filters of all three: in these two modes filters start
with unit mean square, because products of small ones are lost beside the scalars and are not learned.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from atomscape.atoms.graph import Graph
from atomscape.nn.edges import Edges, edges
from atomscape.nn.embedding import Embedding
from atomscape.nn.gate import Gate
from atomscape.nn.layout import Layout
from atomscape.nn.linear import SelfInteraction
from atomscape.nn.radial import RadialNetwork
from atomscape.nn.species import SpeciesEmbedding
from atomscape.o3.irreps import Irreps
from atomscape.ops.convolution import Coupling
from atomscape.ops.radial_convolution import radial_convolution
from atomscape.shapes import Float, Tensor


class Config(BaseModel):
    """Hyper-parameters; ``average_neighbours`` is measured on the training data where it is not given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    l_max: int = Field(2, ge=0, description="largest degree of features and filters")
    channels: int = Field(64, ge=1, description="channels of every degree")
    layers: int = Field(3, ge=1)
    cutoff: float = Field(5.0, gt=0, description="Å")
    n_radial: int = Field(8, ge=1, description="Bessel functions")
    radial_hidden: int = Field(32, ge=0, description="width of the radial network; 0: linear in the basis")
    parity: Literal["natural", "both", "so3"] = "natural"
    average_neighbours: float | None = Field(None, gt=0, description="divides every sum over neighbours")


class Layer(nn.Module):
    """Convolution, self-interaction, gated nonlinearity, residual."""

    def __init__(self, config: Config, first: bool) -> None:
        super().__init__()
        c, self.layout = config.channels, Layout(config.l_max, config.parity)
        incoming = Layout(0, "so3") if first else self.layout
        self.coupling = Coupling(
            incoming.l_max, config.l_max, config.l_max, config.parity, incoming.runs == 2
        )
        self.norm = config.average_neighbours or 1.0
        self.before = SelfInteraction(incoming, c, c)
        handed = config.parity != "natural"
        self.radial = RadialNetwork(
            *(config.n_radial, config.radial_hidden, len(self.coupling.paths), c),
            unit_within=config.cutoff if handed else None,
        )
        self.after = SelfInteraction(self.layout, c, c, bias=True)
        self.skip = SelfInteraction(incoming, c, c)
        self.gate = Gate(self.layout, c)

    def forward(
        self, h: Float[Tensor, "atoms lm_in channels"], e: Edges
    ) -> Float[Tensor, "atoms lm channels"]:
        """One layer; the first one takes scalars only and returns all degrees."""
        radial = self.radial(e)
        m = radial_convolution(
            *(self.before(h), e.harmonics, radial.h, radial.W),
            *(e.centre, e.neighbour, self.coupling, radial.start),
        )
        u = self.after(m / self.norm) + self._widen(self.skip(h))
        return self._widen(h) + self.gate(u)

    def _widen(self, h: Tensor) -> Tensor:
        return nn.functional.pad(h, (0, 0, 0, self.layout.lm - h.shape[1]))


class TensorFieldNetwork(nn.Module):
    """The encoder; see the module's text for the equations."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config, self.cutoff = config, config.cutoff
        self.layout = Layout(config.l_max, config.parity)
        self.species = SpeciesEmbedding(config.channels)
        self.layers = nn.ModuleList(Layer(config, first=n == 0) for n in range(config.layers))

    @property
    def irreps(self) -> Irreps:
        """Content of the embedding."""
        return Irreps([(self.config.channels, (l, p or 1)) for l, p in self.layout.keys])

    def forward(self, graph: Graph, layers: bool = False) -> Embedding:
        """Embed the atoms of a graph; with ``layers`` the embedding after every layer comes along."""
        h = self.species(graph.structures.numbers).unsqueeze(1)
        e = edges(graph, self.cutoff, self.config.l_max, self.config.n_radial, h.dtype)
        seen = [Embedding({self.layout.keys[0]: h}, "species")]
        for n, layer in enumerate(self.layers, start=1):
            h = layer(h, e)
            seen.append(self.layout.embedding(h, f"layer {n}"))
        return Embedding(seen[-1].blocks, seen[-1].layer, tuple(seen) if layers else ())


def build(config: Config) -> TensorFieldNetwork:
    """Make the encoder; weights come from torch's global generator, seeded by the caller."""
    return TensorFieldNetwork(config)
