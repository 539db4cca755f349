"""MACE (Batatia et al. 2022, arXiv:2206.07697): messages that see several neighbours at once.

Per layer, with features h[a, lm, c] of degrees up to ``l_hidden`` (scalars of the element at first), edges ij
and filters of degrees up to ``l_max``:

    A_i = W₂ (1/n̄) Σ_j Σ_paths R_path(r_ij) · (W₁ h_j ⊗ Y(r̂_ij))    eq. 8 and 9; n̄ mean neighbours
    B_i = Σ_paths w[Z_i, path] · (A_i ⊗ … ⊗ A_i, up to ν factors)       eq. 10; ν is ``correlation``
    h_i ← W₃ B_i + W[Z_i] h_i                                            eq. 11 and 12

so a layer knows clusters of ν + 1 atoms. The sum over paths is inside the convolution: R has a weight for
each path and channel, and W₂ mixes channels afterwards, where the paper mixes paths and channels at once.

The paper adds up energies read from every layer. Here a head reads one embedding: its scalars are those of
all layers side by side, ``layers`` · ``channels`` of them, and blocks of higher degree, up to ``l_out``, are
those of the last layer. With ``layers=True`` the embedding after layer n is that of a network of n layers.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from atomscape.atoms.graph import Graph
from atomscape.nn.edges import Edges, edges
from atomscape.nn.element_weights import ElementInteraction
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


class Config(BaseModel):
    """Hyper-parameters; ``average_neighbours`` is measured on the training data where it is not given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    l_max: int = Field(3, ge=0, le=6, description="largest degree of the filters, and of what is multiplied")
    l_hidden: int = Field(1, ge=0, le=6, description="largest degree that goes from layer to layer")
    l_out: int = Field(0, ge=0, le=6, description="largest degree of the embedding; energies need 0")
    correlation: int = Field(3, ge=1, le=4, description="neighbours that a message sees at once")
    channels: int = Field(64, ge=1, description="channels of every degree")
    layers: int = Field(2, ge=1)
    cutoff: float = Field(5.0, gt=0, description="Å")
    n_radial: int = Field(8, ge=1, description="radial functions")
    radial_hidden: int = Field(32, ge=0, description="width of the radial network; 0: linear in the basis")
    radial_layers: int = Field(1, ge=1, description="hidden layers of the radial network")
    average_neighbours: float | None = Field(None, gt=0, description="divides every sum over neighbours")
    element_numbers: int = Field(8, ge=1, description="numbers of an element that its weights are made of")


class Layer(nn.Module):
    """Convolution, many-body product, and a skip that depends on the element."""

    def __init__(self, config: Config, incoming: Layout, l_out: int) -> None:
        super().__init__()
        c, self.incoming, self.layout = config.channels, incoming, Layout(l_out)
        seen = Layout(config.l_max if config.correlation > 1 else l_out)
        self.coupling = Coupling(incoming.l_max, config.l_max, seen.l_max)
        self.norm = config.average_neighbours or 1.0
        self.before = SelfInteraction(incoming, c, c)
        self.radial = RadialNetwork(
            *(config.n_radial, config.radial_hidden, len(self.coupling.paths), c),
            unit_within=config.cutoff,
            layers=config.radial_layers,
        )
        self.middle = SelfInteraction(seen, c, c)
        self.product = ManyBodyProduct(seen, c, config.correlation, l_out, config.element_numbers)
        self.after = SelfInteraction(self.layout, c, c)
        self.kept = Layout(min(incoming.l_max, l_out))
        self.skip = ElementInteraction(self.kept, c, c, config.element_numbers)

    def forward(
        self, h: Float[Tensor, "atoms lm_in channels"], e: Edges, kinds: Kinds
    ) -> Float[Tensor, "atoms lm channels"]:
        """One layer."""
        radial = self.radial(e)
        A = radial_convolution(
            *(self.before(h), e.harmonics, radial.h, radial.W),
            *(e.centre, e.neighbour, self.coupling, radial.start),
        )
        B = self.product(self.middle(A / self.norm), kinds)
        skipped = self.skip(h[:, : self.kept.lm], kinds)
        return self.after(B) + self.kept.widened(skipped, self.layout)


class MACE(nn.Module):
    """The encoder; see the module's text for the equations."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config, self.cutoff = config, config.cutoff
        self.species = SpeciesEmbedding(config.channels)
        degrees = [0, *[config.l_hidden] * (config.layers - 1), config.l_out]
        self.layers = nn.ModuleList(
            Layer(config, Layout(before), after) for before, after in pairwise(degrees)
        )
        self.layouts = [Layout(l) for l in degrees[1:]]

    @property
    def irreps(self) -> Irreps:
        """Content of the embedding."""
        c = self.config.channels
        scalars = (self.config.layers * c, (0, 1))
        return Irreps([scalars, *((c, key) for key in Layout(self.config.l_out).keys[1:])])

    def forward(self, graph: Graph, layers: bool = False) -> Embedding:
        """Embed the atoms of a graph; with ``layers`` the embedding after every layer comes along."""
        kinds = kinds_of(graph.structures.numbers)
        h = self.species(graph.structures.numbers).unsqueeze(1)
        e = edges(graph, self.cutoff, self.config.l_max, self.config.n_radial, h.dtype)
        seen, scalars = [Embedding({(0, 1): h}, "species")], []
        for n, (layer, layout) in enumerate(zip(self.layers, self.layouts, strict=True), start=1):
            h = layer(h, e, kinds)
            scalars.append(h[:, :1])
            own = layout.embedding(h, "").blocks
            seen.append(Embedding({**own, (0, 1): torch.cat(scalars, 2)}, f"layer {n}"))
        return Embedding(seen[-1].blocks, seen[-1].layer, tuple(seen) if layers else ())


def build(config: Config) -> MACE:
    """Make the encoder; weights come from torch's global generator, seeded by the caller."""
    return MACE(config)
