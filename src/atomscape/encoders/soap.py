"""SOAP (Bartók, Kondor, Csányi 2013) as an encoder: a fixed neighbour density, learned channels of elements.

The baseline that learns nothing about space: only how elements mix into channels. Its vectors and tensors are
the coefficients of the density, its scalars their power spectrum (``nn.soap``) of unit mean square and the
channels of the atom itself.
"""

from __future__ import annotations

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from atomscape.atoms.graph import Graph
from atomscape.nn.embedding import Embedding
from atomscape.nn.soap import OrbitalBasis, density_coefficients, power_spectrum, width
from atomscape.nn.species import SpeciesEmbedding
from atomscape.o3.irreps import Irreps
from atomscape.shapes import Float, Tensor


class Config(BaseModel):
    """Hyper-parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    channels: int = Field(4, ge=1, description="into which the elements are mixed")
    cutoff: float = Field(5.0, gt=1, description="Å")
    n_radial: int = Field(6, ge=1, description="Gaussian orbitals")
    l_max: int = Field(4, ge=0)
    sigma: float = Field(0.5, gt=0, description="width of the Gaussians, Å")


class SoapEncoder(nn.Module):
    """The encoder."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config, self.cutoff = config, config.cutoff
        self.basis = OrbitalBasis(config.cutoff, config.n_radial, config.l_max, config.sigma)
        self.species = SpeciesEmbedding(config.channels)

    @property
    def irreps(self) -> Irreps:
        """Content of the embedding."""
        c = self.config
        scalars = c.channels + width(c.channels, c.n_radial, c.l_max, "all")
        higher = [(c.channels * c.n_radial, (l, (-1) ** l)) for l in range(1, c.l_max + 1)]
        return Irreps([(scalars, (0, 1)), *higher])

    def forward(self, graph: Graph, layers: bool = False) -> Embedding:
        """Embed the atoms of a graph; with ``layers`` the elements' channels and the density come along."""
        w = self.species(graph.structures.numbers)
        c = density_coefficients(graph, w, self.basis)
        blocks = {(l, (-1) ** l): b.flatten(2).to(w.dtype) for l, b in enumerate(c)}
        p = of_unit_mean_square(power_spectrum(c)).to(w.dtype)
        last = Embedding({**blocks, (0, 1): torch.cat([w, p], 1)[:, None]}, "power spectrum")
        seen = (Embedding({(0, 1): w[:, None]}, "species"), Embedding(blocks, "density"), last)
        return Embedding(last.blocks, last.layer, seen if layers else ())


def of_unit_mean_square(p: Float[Tensor, "atoms features"]) -> Float[Tensor, "atoms features"]:
    """Scaled to Σ p² = number of features; a spectrum of zeros stays zero, smoothly."""
    return p * (p.square().mean(1, keepdim=True) + 1e-12).rsqrt()


def build(config: Config) -> SoapEncoder:
    """Make the encoder; weights come from torch's global generator, seeded by the caller."""
    return SoapEncoder(config)
