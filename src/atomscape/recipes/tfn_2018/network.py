"""The network of Thomas et al. 2018 (arXiv:1802.08219) that finds missing atoms, as it was published.

With scalars s and vectors v of atoms, d and r̂ distance and direction of a pair, and channel by channel::

    g_k(d) = exp(−(d − μ_k)² / w)                    K Gaussians, μ_k even on [0, reach], w = reach / K in Å²
    F(d)   = W₂ relu(W₁ g(d) + b₁) + b₂              a network of its own for every path
    s_i    = Σ_j [F s_j, F r̂·v_j]                    paths 0×0→0, 1×1→0, concatenated
    v_i    = Σ_j [F s_j r̂, F v_j, F r̂×v_j]           paths 0×1→1, 1×0→1, 1×1→1, concatenated
    then     s ← ssp(W s + b),  v ← ssp(|W v| + b) W v / |W v|,      ssp(x) = ln(½eˣ + ½)

j runs over all atoms of the structure, i too (r̂ = 0 there). What the last convolution gives is returned as it
is, without self-interaction and nonlinearity. Parity is not tracked: r̂×v mixes vectors and axial vectors.

It is here to compare with. A sum over all pairs grows with the structure and means nothing in a crystal, and
a gate on a norm is not smooth where vectors vanish. ``smooth_cutoff``, which the paper does not have, takes F
to zero: what lies far away then no longer adds to sums that grow with the molecule.
"""

from __future__ import annotations

import torch
from pydantic import BaseModel, ConfigDict, Field, field_validator
from torch import nn

from atomscape.atoms.graph import Graph
from atomscape.nn.edges import check_cutoff
from atomscape.nn.embedding import Embedding
from atomscape.nn.species import numbers_of
from atomscape.o3.irreps import Irreps
from atomscape.ops.radial import lengths, polynomial_cutoff
from atomscape.ops.segment import segment_sum
from atomscape.recipes.tfn_2018.elements import class_table, classes_of
from atomscape.shapes import Float, Int, Tensor

TINY = 1e-8
"""Smallest squared length; so gates on vectors that vanish have a value, and the gradient zero."""


class Config(BaseModel):
    """Hyper-parameters; the defaults are the paper's, for molecules without fluorine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    channels: int = Field(15, ge=1)
    layers: int = Field(3, ge=1)
    n_radial: int = Field(4, ge=2, description="Gaussians, and width of the radial networks")
    reach: float = Field(2.5, gt=0, description="centre of the last Gaussian, Å")
    elements: tuple[str, ...] = ("H", "C", "N", "O")
    all_pairs: float = Field(30.0, gt=0, description="Å that hold all pairs of any molecule of the data")
    smooth_cutoff: float | None = Field(None, gt=0, description="Å; none in the paper")

    @field_validator("elements")
    @classmethod
    def _known(cls, elements: tuple[str, ...]) -> tuple[str, ...]:
        numbers_of(elements)
        return elements


class RadialNetworks(nn.Module):
    """F(d) of every path and channel of all layers, the networks side by side."""

    def __init__(self, n_radial: int, paths: int, channels: int) -> None:
        super().__init__()
        k = n_radial
        self.first = nn.Parameter(_glorot(torch.empty(paths, k, k)))
        self.first_bias = nn.Parameter(torch.zeros(paths, 1, k))
        self.second = nn.Parameter(_glorot(torch.empty(paths, k, channels)))
        self.second_bias = nn.Parameter(torch.zeros(paths, 1, channels))

    def forward(self, basis: Float[Tensor, "pairs basis"]) -> Float[Tensor, "paths pairs channels"]:
        """Evaluate on the Gaussians of each pair."""
        x = basis.expand(len(self.first), *basis.shape)
        hidden = torch.baddbmm(self.first_bias, x, self.first).relu()
        return torch.baddbmm(self.second_bias, hidden, self.second)


class SelfInteraction(nn.Module):
    """Mix the channels of scalars, with a bias, and of vectors; then the nonlinearity on norms."""

    def __init__(self, scalars: int, vectors: int, channels: int) -> None:
        super().__init__()
        self.scalar = orthogonal(scalars, channels, bias=True)
        self.vector = orthogonal(vectors, channels)
        self.gate_bias = nn.Parameter(torch.zeros(channels))

    def forward(
        self, s: Float[Tensor, "atoms scalars"], v: Float[Tensor, "atoms 3 vectors"]
    ) -> Float[Tensor, "atoms 4 channels"]:
        """Scalar and vector of each channel of the next layer."""
        u = self.vector(v)
        norm = u.square().sum(1, keepdim=True).clamp(min=TINY).sqrt()
        gated = u * (ssp(norm + self.gate_bias) / norm)
        return torch.cat([ssp(self.scalar(s)).unsqueeze(1), gated], 1)


class Network(nn.Module):
    """The encoder: 30 scalars and 45 vectors per atom with the paper's 15 channels."""

    classes: Int[Tensor, " elements"]

    def __init__(self, config: Config) -> None:
        super().__init__()
        c, self.config = config.channels, config
        self.cutoff = config.smooth_cutoff or config.all_pairs
        self.register_buffer("classes", class_table(config.elements), persistent=False)
        self.species = orthogonal(len(config.elements), c, bias=True)
        self.paths = [2] + [5] * (config.layers - 1)  # scalars alone enter the first convolution
        self.radial = RadialNetworks(config.n_radial, sum(self.paths), c)
        widths = [(c, c)] + [(2 * c, 3 * c)] * (config.layers - 2)
        self.mix = nn.ModuleList(SelfInteraction(s, v, c) for s, v in widths[: config.layers - 1])

    @property
    def irreps(self) -> Irreps:
        """Content of the embedding."""
        c, first = self.config.channels, self.config.layers == 1
        return Irreps([(c if first else 2 * c, (0, 1)), (c if first else 3 * c, (1, 1))])

    def forward(self, graph: Graph, layers: bool = False) -> Embedding:
        """Embed the atoms of a graph; with ``layers`` what every convolution gave comes along."""
        check_cutoff(graph, self.cutoff)
        dtype = self.species.weight.dtype
        kinds = classes_of(graph.structures.numbers, self.classes)
        s = self.species(nn.functional.one_hot(kinds, len(self.config.elements)).to(dtype))
        h, seen = s.unsqueeze(1), [Embedding({(0, 0): s.unsqueeze(1)}, "species")]
        centre, neighbour, r = _pairs_with_self(graph, dtype)
        d = lengths(r)
        filters = self.radial(gaussians(d, self.config.n_radial, self.config.reach))
        if self.config.smooth_cutoff is not None:
            filters = filters * polynomial_cutoff(d, self.config.smooth_cutoff).unsqueeze(1)
        products = couplings(r / d.clamp(min=TINY).unsqueeze(1))
        for n, F in enumerate(filters.split(self.paths)):
            A = products if n else products[:, [0, 2, 3, 4], :1]
            s, v = _messages(A @ h.index_select(0, neighbour), F)
            s, v = segment_sum(s, centre, graph.n_atoms), segment_sum(v, centre, graph.n_atoms)
            s, v = s.flatten(1), v.transpose(1, 2).flatten(2)
            seen.append(Embedding({(0, 0): s.unsqueeze(1), (1, 0): v}, f"convolution {n + 1}"))
            if n < len(self.mix):
                h = self.mix[n](s, v)
        return Embedding(seen[-1].blocks, seen[-1].layer, tuple(seen) if layers else ())


def couplings(unit: Float[Tensor, "pairs 3"]) -> Float[Tensor, "pairs 11 4"]:
    """Matrices that take s and v of a neighbour to s, r̂·v, s r̂, v and r̂×v, one above the other."""
    A = unit.new_zeros(len(unit), 11, 4)
    A[:, 0, 0] = 1
    A[:, 1, 1:] = unit
    A[:, 2:5, 0] = unit
    A[:, 5:8, 1:] = torch.eye(3, dtype=unit.dtype, device=unit.device)
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        A[:, 8 + i, 1 + k], A[:, 8 + k, 1 + i] = unit[:, j], -unit[:, j]
    return A


def gaussians(d: Float[Tensor, " pairs"], count: int, reach: float) -> Float[Tensor, "pairs basis"]:
    """exp(−(d − μ)²/w) with w = reach/count: the width is not squared and not the spacing, as published."""
    centres = torch.linspace(0, reach, count, dtype=d.dtype, device=d.device)
    return torch.exp((d.unsqueeze(1) - centres).square() * (-count / reach))


def ssp(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """ln(½eˣ + ½): smooth, zero at zero."""
    return nn.functional.softplus(x) - 0.6931471805599453


def orthogonal(channels_in: int, channels_out: int, bias: bool = False) -> nn.Linear:
    """Linear map whose matrix starts orthogonal, its bias at zero."""
    layer = nn.Linear(channels_in, channels_out, bias=bias)
    nn.init.orthogonal_(layer.weight)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


def _messages(
    products: Float[Tensor, "pairs rows channels"], F: Float[Tensor, "paths pairs channels"]
) -> tuple[Tensor, Tensor]:
    """Scalars ``[pairs, paths, channels]`` and vectors ``[pairs, paths, 3, channels]`` times their F."""
    n = (3 * len(F) - products.shape[1]) // 2  # paths to scalars have one row, paths to vectors three
    s, v = products.split([n, products.shape[1] - n], 1)
    to_s, to_v = F.transpose(0, 1).split([n, len(F) - n], 1)
    return s * to_s, v.unflatten(1, (-1, 3)) * to_v.unsqueeze(2)


def _pairs_with_self(graph: Graph, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Centre, neighbour and vector (Å; y, z, x) of every pair, each atom with itself at the end."""
    own = torch.arange(graph.n_atoms, device=graph.centre.device)
    vectors = graph.vectors[:, [1, 2, 0]].to(dtype)
    return (
        torch.cat([graph.centre, own]),
        torch.cat([graph.neighbour, own]),
        torch.cat([vectors, vectors.new_zeros(graph.n_atoms, 3)]),
    )


def _glorot(stack: Tensor) -> Tensor:
    """Fill ``[paths, in, out]`` evenly between ±√(6/(in + out))."""
    limit = (6 / (stack.shape[1] + stack.shape[2])) ** 0.5
    return stack.uniform_(-limit, limit)


def build(config: Config) -> Network:
    """Make the encoder; weights come from torch's global generator, seeded by the caller."""
    return Network(config)
