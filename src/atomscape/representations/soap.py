"""SOAP power spectrum (``nn.soap``), pooled over the atoms of each structure.

With ``elements`` each has a channel of its own. Without, the channels are smooth functions of the periodic
table, the same for all elements, after M. J. Willatt, F. Musil, M. Ceriotti, PCCP 20, 29661 (2018): here a
constant and the leading principal components of the elements' descriptors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.representation import INVARIANCES, Claims, claim, name_of
from atomscape.atoms.structures import Structures
from atomscape.nn.soap import OrbitalBasis, Pairs, density_coefficients, power_spectrum
from atomscape.nn.species import N_ELEMENTS, element_descriptors, numbers_of
from atomscape.ops.segment import segment_mean, segment_sum
from atomscape.shapes import Float, Int, Tensor


class Config(BaseModel):
    """Settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cutoff: float = Field(5.0, gt=1, description="Å")
    n_radial: int = Field(6, ge=1, description="orbitals")
    l_max: int = Field(4, ge=0)
    sigma: float = Field(0.5, gt=0, description="width of the Gaussians, Å")
    elements: tuple[str, ...] = Field((), description="symbols, a channel each; none: compressed channels")
    channels: int = Field(4, ge=1, le=10, description="without elements: how many channels")
    pairs: Pairs = Field("all", description="pairs of channels")
    pooling: Literal["mean", "sum"] = "mean"


@dataclass(frozen=True)
class Soap:
    """The representation; ``atoms`` gives it for every atom."""

    config: Config

    @property
    def claims(self) -> Claims:
        """A smooth function of distances and angles; mirror images are alike to it."""
        kept = set(INVARIANCES) - ({"supercell"} if self.config.pooling == "sum" else set())
        return Claims(frozenset(kept), claim("composition", "bonding", "geometry"), smooth=True)

    @property
    def basis(self) -> OrbitalBasis:
        """Radial functions."""
        c = self.config
        return OrbitalBasis(c.cutoff, c.n_radial, c.l_max, c.sigma)

    def __call__(self, structures: Structures) -> Float[Tensor, "structures features"]:
        """Power spectra pooled over the atoms of each structure."""
        pool = segment_mean if self.config.pooling == "mean" else segment_sum
        return pool(self.atoms(structures), structures.structure, len(structures))

    def atoms(self, structures: Structures) -> Float[Tensor, "atoms features"]:
        """Power spectrum of every atom; derivatives pass to positions and cells."""
        graph = neighbour_graph(structures, self.config.cutoff)
        blocks = density_coefficients(graph, self._weights(structures), self.basis)
        return power_spectrum(blocks, self.config.pairs)

    def _weights(self, structures: Structures) -> Float[Tensor, "atoms channels"]:
        if not self.config.elements:
            return compressed(self.config.channels).to(structures.device)[structures.numbers]
        known = torch.tensor(numbers_of(self.config.elements), device=structures.device)
        table = torch.nn.functional.one_hot(known, N_ELEMENTS).double().T
        weights = table[structures.numbers]
        _refuse_unknown(weights, structures.numbers, structures, self.config.elements)
        return weights


def compressed(channels: int) -> Float[Tensor, "elements channels"]:
    """One, and the leading principal components of the elements' descriptors, scaled to at most 1."""
    d = element_descriptors()[1:]
    u, s, _ = torch.linalg.svd(d, full_matrices=False)
    components = (u * s)[:, : channels - 1]
    largest = components.gather(0, components.abs().argmax(0, keepdim=True))
    table = torch.cat([torch.ones(len(d), 1, dtype=torch.float64), components / largest], dim=1)
    return torch.cat([table.new_zeros(1, channels), table])


def _refuse_unknown(
    weights: Tensor, numbers: Int[Tensor, " atoms"], structures: Structures, elements: tuple[str, ...]
) -> None:
    missing = (weights.sum(1) == 0).nonzero().squeeze(1)
    if len(missing):
        a = int(missing[0])
        raise ValueError(
            f"structure {name_of(structures, int(structures.structure[a]))} has an atom with Z="
            f"{int(numbers[a])}; the channels are of {', '.join(elements)}. Name all, or none"
        )


def build(config: Config) -> Soap:
    """Make the representation."""
    numbers_of(config.elements)
    return Soap(config)
