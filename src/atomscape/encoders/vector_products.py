"""Scalars and vectors multiplied on the atoms: an equivariant potential made for speed on a CPU.

What grows with the degree of an equivariant network is done for every edge; what is done for an atom costs a
tenth of that. So edges carry scalars and vectors only, through filters that are linear in a few Bessel
functions, and angles between neighbours come from products of up to three sums over neighbours. Per layer,
with features h_i and n̄ mean neighbours:

    A_i = W (1/n̄) Σ_j Σ_paths R_path(r_ij) · (h_j ⊗ Y(r̂_ij))     convolution to degree 1
    B_i = all symmetric products of up to three of A_i / √(1 + ⟨A_i²⟩), per channel, weighted by element
    h_i ← W_skip h_i + W_out B_i

The products are those of MACE (Batatia et al. 2022, arXiv:2206.07697, eq. 10 and 11) where only degrees 0 and
1 exist: s, s², v·v, s³, s v·v and v, s v, s² v, v v·v. A product of three sums over neighbours sees four
atoms at once; two layers see angles and dihedrals of everything within two cutoffs. ⟨A²⟩ is the mean over
all channels and components of an atom: without it three layers of cubes would be a polynomial of degree 27,
and an atom with twice as many neighbours as were trained on would have energies beyond all bounds.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from atomscape.atoms.graph import Graph
from atomscape.nn.edges import Edges, edges
from atomscape.nn.embedding import Embedding
from atomscape.nn.kinds import Kinds, kinds_of
from atomscape.nn.layout import Layout
from atomscape.nn.linear import SelfInteraction
from atomscape.nn.many_body import ManyBodyProduct
from atomscape.nn.radial import RadialNetwork
from atomscape.nn.species import SpeciesEmbedding
from atomscape.o3.irreps import Irreps
from atomscape.ops.convolution import Coupling
from atomscape.ops.radial_convolution import radial_convolution
from atomscape.shapes import Float, Tensor

LAYOUT = Layout(1)


class Config(BaseModel):
    """Hyper-parameters; ``average_neighbours`` is measured on the training data where it is not given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    channels: int = Field(64, ge=1, description="channels of scalars, and of vectors")
    layers: int = Field(2, ge=1)
    cutoff: float = Field(5.0, gt=0, description="Å")
    n_radial: int = Field(8, ge=1, description="Bessel functions")
    radial_hidden: int = Field(0, ge=0, description="width of a radial network; 0: linear in the basis")
    correlation: int = Field(3, ge=1, le=3, description="sums over neighbours in one product")
    average_neighbours: float | None = Field(None, gt=0, description="divides every sum over neighbours")


class Layer(nn.Module):
    """Convolution, products, residual."""

    def __init__(self, config: Config, incoming: Layout) -> None:
        super().__init__()
        c, self.incoming = config.channels, incoming
        self.norm = config.average_neighbours or 1.0
        self.coupling = Coupling(incoming.l_max, 1, 1)
        self.radial = RadialNetwork(
            *(config.n_radial, config.radial_hidden, len(self.coupling.paths), c), unit_within=config.cutoff
        )
        self.mix = SelfInteraction(LAYOUT, c, c)
        self.product = ManyBodyProduct(LAYOUT, c, config.correlation)
        self.out = SelfInteraction(LAYOUT, c, c)
        self.skip = SelfInteraction(incoming, c, c)

    def forward(
        self, h: Float[Tensor, "atoms lm_in channels"], kinds: Kinds, e: Edges
    ) -> Float[Tensor, "atoms lm channels"]:
        """One layer; the first one takes scalars."""
        R = self.radial(e)
        m = radial_convolution(h, e.harmonics, R.h, R.W, e.centre, e.neighbour, self.coupling, R.start)
        B = self.out(self.product(bounded(self.mix(m / self.norm)), kinds))
        return B + self.incoming.widened(self.skip(h), LAYOUT)


def bounded(A: Float[Tensor, "atoms lm channels"]) -> Float[Tensor, "atoms lm channels"]:
    """A / √(1 + mean A²), a mean over all that an atom has: A if that is small, of unit size if large."""
    return A * (1 + A.square().mean((1, 2), keepdim=True)).rsqrt()


class VectorProducts(nn.Module):
    """The encoder; see the module's text for the equations."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config, self.cutoff = config, config.cutoff
        self.species = SpeciesEmbedding(config.channels)
        layouts = [Layout(0)] + [LAYOUT] * (config.layers - 1)
        self.layers = nn.ModuleList(Layer(config, incoming) for incoming in layouts)

    @property
    def irreps(self) -> Irreps:
        """Content of the embedding."""
        return Irreps([(self.config.channels, key) for key in LAYOUT.keys])

    def forward(self, graph: Graph, layers: bool = False) -> Embedding:
        """Embed the atoms of a graph; with ``layers`` the embedding after every layer comes along."""
        h, kinds = self.species(graph.structures.numbers).unsqueeze(1), kinds_of(graph.structures.numbers)
        e = edges(graph, self.cutoff, 1, self.config.n_radial, h.dtype)
        seen = [Embedding({(0, 1): h}, "species")]
        for n, layer in enumerate(self.layers, start=1):
            h = layer(h, kinds, e)
            seen.append(LAYOUT.embedding(h, f"layer {n}"))
        return Embedding(seen[-1].blocks, seen[-1].layer, tuple(seen) if layers else ())


def build(config: Config) -> VectorProducts:
    """Make the encoder; weights come from torch's global generator, seeded by the caller."""
    return VectorProducts(config)
