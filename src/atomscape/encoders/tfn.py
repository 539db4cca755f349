"""Tensor field network (Thomas et al. 2018, arXiv:1802.08219) on a periodic graph with a cutoff.

Per layer, with features h[a, lm, c], messages m and edges ij:

    m_i = (1/n̄) Σ_j Σ_paths R_path(r_ij) · (W_in h_j ⊗ Y(r̂_ij))   convolution, eq. 4–5; n̄ mean neighbours
    u   = W_out m_i + W_skip h_i                                    self-interaction, eq. 6
    h_i ← h_i + gate(u)                                             nonlinearity, residual

R is a small network on Bessel functions that goes to zero, with two derivatives, at the cutoff. Parity is
natural by default; ``both`` adds pseudo-tensors of every degree, ``so3`` drops parity. Handedness is first
seen by the scalars of the third layer, in products of the filters of all three. Filters start small, and
such products are lost beside the scalars and are not learned; where handedness matters ``unit_filters``
starts them with unit mean square. Then ``average_neighbours`` has to be that of the data, or features grow
without bound.

What enters is the element, and with ``inputs`` labels of any degree: charges, an applied field, a strain.
With ``nonlinear: false`` there are no gates and no constants: h_i ← h_i + u is then linear in what enters,
and one layer is exactly a sum of filters R_path(r) Y_l(r̂), whose R can be read off. Powers of r are learned
best with ``radial: logarithmic`` and ``radial_hidden: 0``; the data should end well below the cutoff.

With ``self_condition`` it denoises knowing a code of the clean structure (``nn.self_condition``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, model_serializer, model_validator
from torch import nn

from atomscape.atoms.graph import Graph
from atomscape.atoms.structures import Structures
from atomscape.nn.edges import Edges, edges
from atomscape.nn.embedding import Embedding
from atomscape.nn.gate import Gate
from atomscape.nn.inputs import Input, InputEmbedding
from atomscape.nn.layout import Layout
from atomscape.nn.linear import SelfInteraction
from atomscape.nn.radial import RadialNetwork
from atomscape.nn.self_condition import Config as SelfConditionConfig
from atomscape.nn.self_condition import SelfCondition, clean_graph
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
    n_radial: int = Field(8, ge=1, description="radial functions")
    radial_hidden: int = Field(32, ge=0, description="width of the radial network; 0: linear in the basis")
    parity: Literal["natural", "both", "so3"] = "natural"
    average_neighbours: float | None = Field(None, gt=0, description="divides every sum over neighbours")
    inputs: tuple[Input, ...] = Field((), description="labels that enter beside the elements")
    species: bool = Field(True, description="whether the elements enter")
    nonlinear: bool = Field(True, description="false: no gates, one layer is a sum of filters")
    radial: Literal["bessel", "logarithmic"] = Field("bessel", description="kind of the radial functions")
    unit_filters: bool = Field(False, description="filters start with unit mean square: for handedness")
    self_condition: SelfConditionConfig | None = Field(None, description="denoise with a code of the clean")

    @model_validator(mode="after")
    def _something_enters(self) -> Config:
        names = [i.label for i in self.inputs]
        if not self.species and not names:
            raise ValueError("species: false needs inputs; otherwise nothing enters the network")
        if len(set(names)) < len(names):
            raise ValueError(f"inputs are named once each; given {', '.join(names)}")
        return self

    @model_serializer(mode="wrap")
    def _short(self, write: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """Leave out what came later and is not used, so that models without it keep their hash."""
        later = {"inputs": (), "species": True, "nonlinear": True, "radial": "bessel", "unit_filters": False}
        later |= {"self_condition": None}
        unused = {k for k, v in later.items() if getattr(self, k) == v}
        return {k: v for k, v in write(self).items() if k not in unused}


class Layer(nn.Module):
    """Convolution, self-interaction, gated nonlinearity, residual."""

    def __init__(self, config: Config, incoming: Layout) -> None:
        super().__init__()
        c, self.layout, self.incoming = config.channels, Layout(config.l_max, config.parity), incoming
        self.coupling = Coupling(
            incoming.l_max, config.l_max, config.l_max, config.parity, incoming.runs == 2
        )
        self.norm = config.average_neighbours or 1.0
        self.before = SelfInteraction(incoming, c, c)
        self.radial = RadialNetwork(
            *(config.n_radial, config.radial_hidden, len(self.coupling.paths), c),
            unit_within=config.cutoff if config.unit_filters else None,
            basis=config.radial,
        )
        self.after = SelfInteraction(self.layout, c, c, bias=config.nonlinear)
        self.skip = SelfInteraction(incoming, c, c)
        self.gate = Gate(self.layout, c) if config.nonlinear else None

    def forward(
        self, h: Float[Tensor, "atoms lm_in channels"], e: Edges
    ) -> Float[Tensor, "atoms lm channels"]:
        """One layer; the first one takes what enters and returns all degrees."""
        radial = self.radial(e)
        m = radial_convolution(
            *(self.before(h), e.harmonics, radial.h, radial.W),
            *(e.centre, e.neighbour, self.coupling, radial.start),
        )
        u = self.after(m / self.norm) + self.incoming.widened(self.skip(h), self.layout)
        return self.incoming.widened(h, self.layout) + (u if self.gate is None else self.gate(u))


class TensorFieldNetwork(nn.Module):
    """The encoder; see the module's text for the equations."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config, self.cutoff = config, config.cutoff
        self.layout = Layout(config.l_max, config.parity)
        self.species = SpeciesEmbedding(config.channels) if config.species else None
        self.inputs = InputEmbedding(config.inputs, self.layout, config.channels) if config.inputs else None
        self.incoming = Layout(0, "so3") if self.inputs is None else self.inputs.layout
        layouts = [self.incoming] + [self.layout] * (config.layers - 1)
        self.layers = nn.ModuleList(Layer(config, incoming) for incoming in layouts)
        self.condition = None
        if config.self_condition is not None:
            self.condition = SelfCondition(config.self_condition, self.irreps, config.channels, config.layers)

    @property
    def irreps(self) -> Irreps:
        """Content of the embedding."""
        return Irreps([(self.config.channels, (l, p or 1)) for l, p in self.layout.keys])

    def forward(self, graph: Graph, layers: bool = False) -> Embedding:
        """Embed the atoms of a graph; with ``layers`` the embedding after every layer comes along."""
        clean = None if self.condition is None else clean_graph(graph, self.cutoff)
        code = None
        if self.condition is not None and clean is not None:
            code = self.condition(self._embeddings(clean)[-1], clean.structures)
        seen = self._embeddings(graph, code)
        return Embedding(seen[-1].blocks, seen[-1].layer, tuple(seen) if layers else ())

    def _embeddings(
        self, graph: Graph, code: Float[Tensor, "structures code"] | None = None
    ) -> list[Embedding]:
        """What enters, and the embedding after every layer, of structures of which ``code`` is known."""
        h = self._entering(graph.structures)
        e = edges(graph, self.cutoff, self.config.l_max, self.config.n_radial, h.dtype, self.config.radial)
        first = {self.layout.keys[0]: h} if self.inputs is None else self.incoming.embedding(h, "").blocks
        seen = [Embedding(first, "species" if self.inputs is None else "inputs")]
        for n, layer in enumerate(self.layers, start=1):
            if self.condition is not None and code is not None:
                h = self.condition.added(h, code, graph.structures, n - 1)
            h = layer(h, e)
            seen.append(self.layout.embedding(h, f"layer {n}"))
        return seen

    def _entering(self, s: Structures) -> Float[Tensor, "atoms lm_in channels"]:
        """Elements as scalars, inputs by their degrees."""
        parts = [] if self.species is None else [self.species(s.numbers).unsqueeze(1)]
        if self.inputs is None:
            return parts[0]
        h = self.inputs(s)
        return torch.cat([h[:, :1] + parts[0], h[:, 1:]], 1) if parts else h


def build(config: Config) -> TensorFieldNetwork:
    """Make the encoder; weights come from torch's global generator, seeded by the caller."""
    return TensorFieldNetwork(config)
