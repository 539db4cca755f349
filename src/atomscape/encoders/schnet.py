"""SchNet (Schütt et al. 2017, arXiv:1706.08566): continuous-filter convolution on scalars, as baseline.

Equations, for features x of atoms and distances r::

    x_i ← x_i + W₂ ssp(W₁ Σ_j (W_in x_j) ∘ F(r_ij))
    F(r) = f_cut(r) · V₂ ssp(V₁ gaussians(r)),   ssp(x) = ln(½eˣ + ½)
"""

from __future__ import annotations

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from atomscape.atoms.graph import Graph
from atomscape.nn.edges import check_cutoff
from atomscape.nn.embedding import Embedding
from atomscape.nn.species import SpeciesEmbedding
from atomscape.o3.irreps import Irreps
from atomscape.ops.radial import gaussian_basis, lengths, polynomial_cutoff
from atomscape.ops.segment import segment_sum
from atomscape.shapes import Float, Int, Tensor


class Config(BaseModel):
    """Hyper-parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    channels: int = Field(128, ge=1)
    layers: int = Field(3, ge=1)
    cutoff: float = Field(5.0, gt=0, description="Å")
    n_radial: int = Field(32, ge=2, description="Gaussians")


class ShiftedSoftplus(nn.Module):
    """ln(½eˣ + ½): smooth, zero at zero."""

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Apply to each element."""
        return nn.functional.softplus(x) - 0.6931471805599453


class Interaction(nn.Module):
    """One continuous-filter convolution with its atom-wise layers."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        c = config.channels
        self.filter = nn.Sequential(nn.Linear(config.n_radial, c), ShiftedSoftplus(), nn.Linear(c, c))
        self.before = nn.Linear(c, c, bias=False)
        self.after = nn.Sequential(nn.Linear(c, c), ShiftedSoftplus(), nn.Linear(c, c))

    def forward(
        self,
        x: Float[Tensor, "atoms channels"],
        basis: Float[Tensor, "edges basis"],
        cut: Float[Tensor, "edges 1"],
        centre: Int[Tensor, " edges"],
        neighbour: Int[Tensor, " edges"],
    ) -> Float[Tensor, "atoms channels"]:
        """Messages from neighbours, and the residual."""
        messages = self.before(x)[neighbour] * (self.filter(basis) * cut)
        return x + self.after(segment_sum(messages, centre, x.shape[0]))


class SchNet(nn.Module):
    """The encoder; its embedding has scalars only."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config, self.cutoff = config, config.cutoff
        self.species = SpeciesEmbedding(config.channels)
        self.layers = nn.ModuleList(Interaction(config) for _ in range(config.layers))

    @property
    def irreps(self) -> Irreps:
        """Content of the embedding."""
        return Irreps([(self.config.channels, (0, 1))])

    def forward(self, graph: Graph, layers: bool = False) -> Embedding:
        """Embed the atoms of a graph; with ``layers`` the embedding after every layer comes along."""
        check_cutoff(graph, self.cutoff)
        x = self.species(graph.structures.numbers)
        r = lengths(graph.vectors)
        basis = gaussian_basis(r, self.cutoff, self.config.n_radial).to(x.dtype)
        cut = polynomial_cutoff(r, self.cutoff).unsqueeze(-1).to(x.dtype)
        seen = [_embedding(x, "species")]
        for n, layer in enumerate(self.layers, start=1):
            x = layer(x, basis, cut, graph.centre, graph.neighbour)
            seen.append(_embedding(x, f"layer {n}"))
        return Embedding(seen[-1].blocks, seen[-1].layer, tuple(seen) if layers else ())


def _embedding(x: torch.Tensor, layer: str) -> Embedding:
    return Embedding({(0, 1): x.unsqueeze(1)}, layer)


def build(config: Config) -> SchNet:
    """Make the encoder; weights come from torch's global generator, seeded by the caller."""
    return SchNet(config)
