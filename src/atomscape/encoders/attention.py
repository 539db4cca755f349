"""Attention over neighbours (Vaswani et al. 2017, arXiv:1706.03762), NOT equivariant: a plain transformer.

The components of an edge vector enter as features like any other, in the frame in which the structure happens
to be given. What the embedding calls scalars changes when a structure is turned, and so do energies made of
it: turning has to be learned from turned data (``corrupt: {kind: rotations}``). Moving a structure, naming
its atoms otherwise and another description of its lattice change nothing. It is here to measure what
equivariance is worth.

Per layer, with features h_i, N a normalisation over channels and f a cutoff that ends with two derivatives:

    t_ij = φ(A N h_i + B N h_j + E g(r_ij))               token of an edge; g = Bessel functions ⊗ directions
    s_ij = ⟨Q N h_i, K t_ij⟩ / √d                         per head, of d channels
    a_ij = f(r_ij) exp(s_ij) / (1 + Σ_k f(r_ik) exp(s_ik))
    h_i ← h_i + O Σ_j a_ij V t_ij,    h_i ← h_i + φ_h(N h_i)

f fades a neighbour out of the numerator and the sum alike. The 1 is one more place to look at, with nothing
there: without it the only neighbour of an atom would keep the weight 1 up to the cutoff and then vanish.
"""

from __future__ import annotations

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from atomscape.atoms.graph import Graph
from atomscape.nn.edges import edges
from atomscape.nn.embedding import Embedding
from atomscape.nn.species import SpeciesEmbedding
from atomscape.o3.irreps import Irreps
from atomscape.ops.activation import silu
from atomscape.ops.radial import polynomial_cutoff, radial_basis
from atomscape.ops.segment import segment_sum
from atomscape.shapes import Float, Int, Tensor


class Config(BaseModel):
    """Hyper-parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    channels: int = Field(128, ge=1)
    layers: int = Field(3, ge=1)
    cutoff: float = Field(5.0, gt=0, description="Å")
    n_radial: int = Field(8, ge=1, description="Bessel functions")
    degree: int = Field(1, ge=1, description="of the polynomials of the direction; 1: its components")
    attention_heads: int = Field(8, ge=1)
    head_channels: int = Field(16, ge=1, description="channels of each head")


class Attention(nn.Module):
    """One layer: attention to the neighbours, then the atom by itself."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        c, self.shape = config.channels, (config.attention_heads, config.head_channels)
        wide = config.attention_heads * config.head_channels
        self.before, self.between = nn.LayerNorm(c), nn.LayerNorm(c)
        self.centre, self.neighbour = nn.Linear(c, c), nn.Linear(c, c, bias=False)
        self.edge = nn.Linear(config.n_radial * (config.degree + 1) ** 2, c, bias=False)
        self.token = nn.Linear(c, c)
        self.query, self.key_and_value = nn.Linear(c, wide), nn.Linear(c, 2 * wide)
        self.out = nn.Linear(wide, c, bias=False)
        self.alone = nn.Sequential(nn.Linear(c, 2 * c), nn.SiLU(), nn.Linear(2 * c, c))
        self._set_unit_mean_square(config)

    @torch.no_grad()
    def _set_unit_mean_square(self, config: Config) -> None:
        """Let what the edge vector says vary by about 1 over the sphere of the cutoff, as what atoms say."""
        r = torch.linspace(0, config.cutoff, 129)
        share = r.square() / r.square().sum()
        size = (share @ radial_basis(r, config.cutoff, config.n_radial).square()).sum()
        nn.init.normal_(self.edge.weight, std=float(((config.degree + 1) ** 2 * size).rsqrt()))

    def forward(
        self,
        h: Float[Tensor, "atoms channels"],
        g: Float[Tensor, "edges features"],
        fade: Float[Tensor, "edges 1"],
        centre: Int[Tensor, " edges"],
        neighbour: Int[Tensor, " edges"],
    ) -> Float[Tensor, "atoms channels"]:
        """Features after the layer."""
        x = self.before(h)
        z = self.edge(g) + self.centre(x).index_select(0, centre)
        token = silu(self.token(silu(z + self.neighbour(x).index_select(0, neighbour))))
        keys, values = self.key_and_value(token).unflatten(1, (2, *self.shape)).unbind(1)
        queries = self.query(x).unflatten(1, self.shape).index_select(0, centre)
        scores = (queries * keys).sum(2) / self.shape[1] ** 0.5
        weights = fading_softmax(scores, fade, centre, h.shape[0]).unsqueeze(2)
        h = h + self.out(segment_sum((weights * values).flatten(1), centre, h.shape[0]))
        return h + self.alone(self.between(h))


def fading_softmax(
    scores: Float[Tensor, "edges heads"],
    fade: Float[Tensor, "edges 1"],
    centre: Int[Tensor, " edges"],
    size: int,
) -> Float[Tensor, "edges heads"]:
    """Weights f eˢ / (1 + Σ f eˢ) of the edges of each centre.

    All exponents are taken relative to the largest, which changes no value and so has no derivative.
    """
    seen = torch.where(fade > 0, scores, 0.0).detach()
    top = seen.new_zeros(size, seen.shape[1])
    top = top.scatter_reduce(0, centre.unsqueeze(1).expand_as(seen), seen, "amax")
    weight = fade * (torch.where(fade > 0, scores, 0.0) - top.index_select(0, centre)).exp()
    total = (-top).exp() + segment_sum(weight, centre, size)
    return weight / total.index_select(0, centre)


class AttentionNetwork(nn.Module):
    """The encoder; see the module's text for the equations.

    Its embedding has one block, which it has to call l = 0 since there is no other name for features of any
    kind: it is not invariant under rotations and reflections, and ``equivariant`` says so.
    """

    equivariant = False

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config, self.cutoff = config, config.cutoff
        self.species = SpeciesEmbedding(config.channels)
        self.layers = nn.ModuleList(Attention(config) for _ in range(config.layers))

    @property
    def irreps(self) -> Irreps:
        """Content of the embedding: as many features as there are channels, none of them invariant."""
        return Irreps([(self.config.channels, (0, 1))])

    def forward(self, graph: Graph, layers: bool = False) -> Embedding:
        """Embed the atoms of a graph; with ``layers`` the embedding after every layer comes along."""
        h = self.species(graph.structures.numbers)
        e = edges(graph, self.cutoff, self.config.degree, self.config.n_radial, h.dtype)
        g = (e.radial.unsqueeze(2) * e.harmonics.unsqueeze(1)).flatten(1)
        fade = polynomial_cutoff(e.lengths, self.cutoff).unsqueeze(1)
        seen = [Embedding({(0, 1): h.unsqueeze(1)}, "species")]
        for n, layer in enumerate(self.layers, start=1):
            h = layer(h, g, fade, e.centre, e.neighbour)
            seen.append(Embedding({(0, 1): h.unsqueeze(1)}, f"layer {n}"))
        return Embedding(seen[-1].blocks, seen[-1].layer, tuple(seen) if layers else ())


def build(config: Config) -> AttentionNetwork:
    """Make the encoder; weights come from torch's global generator, seeded by the caller."""
    return AttentionNetwork(config)
