"""PaiNN (Schütt, Unke, Gastegger 2021, arXiv:2102.03150): scalars s and vectors v that exchange messages.

Per layer a message from the neighbours j and an update of each atom i, ∘ being channel by channel:

    s_i ← s_i + Σ_j φ_s(s_j) ∘ W_s(r_ij)                                              eq. 7
    v_i ← v_i + Σ_j v_j ∘ φ_vv(s_j) ∘ W_vv(r_ij) + Σ_j φ_vs(s_j) ∘ W_vs(r_ij) r̂_ij    eq. 8
    s_i ← s_i + a_ss(s_i, |V v_i|) + a_sv(s_i, |V v_i|) ∘ ⟨U v_i, V v_i⟩              eq. 9
    v_i ← v_i + a_vv(s_i, |V v_i|) ∘ U v_i                                            eq. 10

φ and a are networks with one hidden layer, U and V matrices of channels, W linear in Bessel functions.
Different from the paper, so that all derivatives exist everywhere:

- |V v| is n(x) = x / (1 + √(1 + x)), x = |V v|²: the length where it is large, half its square where it is
  small. In a perfect crystal v is rounding noise, and the gradient of its length a random unit vector.
- W ends with two derivatives (polynomial cutoff) where the paper's cosine has one, and has no bias.
- Sums over neighbours are divided by n̄, their mean number, if it is given; the paper's are not.

The convolution kernels do the sums, with W applied edge by edge: a coupling with degree 0 of the edge alone
carries s and v along, one with degree 1 makes vectors of scalars.
"""

from __future__ import annotations

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from atomscape.atoms.graph import Graph
from atomscape.nn.edges import Edges, edges
from atomscape.nn.embedding import Embedding
from atomscape.nn.layout import Layout
from atomscape.nn.radial import RadialNetwork
from atomscape.nn.species import SpeciesEmbedding
from atomscape.o3.irreps import Irreps
from atomscape.ops.activation import silu
from atomscape.ops.convolution import Coupling
from atomscape.ops.radial_convolution import radial_convolution
from atomscape.shapes import Float, Tensor

LAYOUT = Layout(1)
POINT = Coupling(0, 1, 1)


class Config(BaseModel):
    """Hyper-parameters; ``average_neighbours`` is measured on the training data where it is not given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    channels: int = Field(128, ge=1, description="channels of scalars, and of vectors")
    layers: int = Field(3, ge=1)
    cutoff: float = Field(5.0, gt=0, description="Å")
    n_radial: int = Field(20, ge=1, description="Bessel functions")
    average_neighbours: float | None = Field(None, gt=0, description="divides every sum over neighbours")


class Message(nn.Module):
    """Eq. 7 and 8; the first layer has no vectors to send."""

    def __init__(self, config: Config, first: bool) -> None:
        super().__init__()
        c = config.channels
        self.norm, self.parts = config.average_neighbours or 1.0, 2 if first else 3
        self.hidden, self.out = nn.Linear(c, c), nn.Linear(c, self.parts * c)
        self.carry = Coupling(0, 0, 0) if first else Coupling(1, 0, 1)
        self.carry_filter = RadialNetwork(config.n_radial, 0, self.parts - 1, c)
        self.point_filter = RadialNetwork(config.n_radial, 0, 1, c)

    def forward(self, h: Float[Tensor, "atoms 4 channels"], e: Edges) -> Float[Tensor, "atoms 4 channels"]:
        """What the neighbours add to scalars and vectors."""
        for_scalars, for_directions, *for_vectors = self.out(silu(self.hidden(h[:, :1]))).chunk(
            self.parts, -1
        )
        x = torch.cat([for_scalars, *(h[:, 1:] * f for f in for_vectors)], 1)
        R = self.carry_filter(e)
        carried = radial_convolution(
            *(x, e.harmonics[:, :1], R.h, R.W, e.centre, e.neighbour, self.carry, R.start)
        )
        R = self.point_filter(e)
        W = nn.functional.pad(R.W, (0, 0, 1, 0))  # scalars to scalars, which eq. 8 does not have
        pointed = radial_convolution(
            *(for_directions, e.harmonics, R.h, W, e.centre, e.neighbour, POINT, R.start)
        )
        missing = 0, 0, 0, LAYOUT.lm - carried.shape[1]
        return (nn.functional.pad(carried, missing) + pointed) / self.norm


class Update(nn.Module):
    """Eq. 9 and 10."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        c = config.channels
        self.vectors = nn.Linear(c, 2 * c, bias=False)
        self.hidden, self.out = nn.Linear(2 * c, c), nn.Linear(c, 3 * c)

    def forward(self, h: Float[Tensor, "atoms 4 channels"]) -> Float[Tensor, "atoms 4 channels"]:
        """What an atom's own scalars and vectors add to each other."""
        s, v = h[:, :1], h[:, 1:]
        U, V = self.vectors(v).chunk(2, -1)
        seen = torch.cat([s, soft_length(V)], -1)
        a_ss, a_sv, a_vv = self.out(silu(self.hidden(seen))).chunk(3, -1)
        return torch.cat([a_ss + a_sv * (U * V).sum(1, keepdim=True), a_vv * U], 1)


def soft_length(v: Float[Tensor, "atoms m channels"]) -> Float[Tensor, "atoms 1 channels"]:
    """√(1 + |v|²) − 1, written without loss of digits: |v| far from zero, |v|²/2 near it."""
    x = v.square().sum(1, keepdim=True)
    return x / (1 + (1 + x).sqrt())


class PaiNN(nn.Module):
    """The encoder; see the module's text for the equations."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config, self.cutoff = config, config.cutoff
        self.species = SpeciesEmbedding(config.channels)
        self.messages = nn.ModuleList(Message(config, n == 0) for n in range(config.layers))
        self.updates = nn.ModuleList(Update(config) for _ in range(config.layers))

    @property
    def irreps(self) -> Irreps:
        """Content of the embedding."""
        return Irreps([(self.config.channels, key) for key in LAYOUT.keys])

    def forward(self, graph: Graph, layers: bool = False) -> Embedding:
        """Embed the atoms of a graph; with ``layers`` the embedding after every layer comes along."""
        s = self.species(graph.structures.numbers).unsqueeze(1)
        h = nn.functional.pad(s, (0, 0, 0, 3))
        e = edges(graph, self.cutoff, 1, self.config.n_radial, h.dtype)
        seen = [Embedding({(0, 1): s}, "species")]
        for n, (message, update) in enumerate(zip(self.messages, self.updates, strict=True), start=1):
            h = h + message(h, e)
            h = h + update(h)
            seen.append(LAYOUT.embedding(h, f"layer {n}"))
        return Embedding(seen[-1].blocks, seen[-1].layer, tuple(seen) if layers else ())


def build(config: Config) -> PaiNN:
    """Make the encoder; weights come from torch's global generator, seeded by the caller."""
    return PaiNN(config)
