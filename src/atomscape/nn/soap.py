"""Smooth overlap of atomic positions: A. P. Bartók, R. Kondor, G. Csányi, PRB 87, 184115 (2013).

Each atom sees a density of Gaussians of width σ on its neighbours and itself, one for each channel k of the
elements, which is expanded in radial functions and real spherical harmonics (eq. 21 to 31 there)::

    ρ_k(r) = Σ_j w_k(Z_j) f(|r_j|) exp(−|r − r_j|²/2σ²) = Σ_nlm c_knlm g_nl(|r|) Y_lm(r̂)

    p_l[kn, k'n'] = π √(8/(2l+1)) Σ_m c_knlm c_k'n'lm

Radial functions are orthonormalised Gaussian orbitals g_nl(r) = r^l Σ_n' β_nn'l exp(−α_n'l r²), as in
L. Himanen et al., Comput. Phys. Commun. 247, 106949 (2020): the overlap of two Gaussians is a Gaussian, so
that with the solid harmonics S_lm(r) = r^l Y_lm the coefficients are exact; nothing is singular at r = 0::

    c_knlm = Σ_j w_k(Z_j) f(|r_j|) S_lm(r_j) Σ_n' β_nn'l (π/(a+α))^{3/2} (a/(a+α))^l exp(−aα r_j²/(a+α)),
    a = 1/2σ²,  α = α_n'l

f = (1 − 3x² + 2x³)², x = r/cutoff, takes the density to zero with three derivatives. The sum over neighbours
is the convolution of the networks, with constant weights. β is large and of both signs: all is in float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch

from atomscape.atoms.graph import Graph
from atomscape.nn.edges import check_cutoff
from atomscape.ops.convolution import Coupling
from atomscape.ops.harmonics import solid_harmonics
from atomscape.ops.radial import lengths
from atomscape.ops.radial_convolution import radial_convolution
from atomscape.shapes import Float, Tensor

DECAY = 1e-3
"""What is left of a Gaussian orbital at its own radius, from which its exponent follows."""

Pairs = Literal["all", "same channel"]


@dataclass(frozen=True)
class OrbitalBasis:
    """``n`` Gaussian orbitals for each degree up to ``l_max``, their radii evenly from 1 Å to the cutoff."""

    cutoff: float
    n: int
    l_max: int
    sigma: float

    def __post_init__(self) -> None:
        """Refuse a cutoff that leaves no room for the orbitals."""
        if self.cutoff <= 1.0:
            raise ValueError(
                f"orbitals decay between 1 Å and the cutoff; a cutoff of {self.cutoff} Å is short"
            )

    @cached_property
    def exponents(self) -> Float[Tensor, "degrees n"]:
        """α in Å⁻²: at its radius r_n an orbital r^l exp(−α r²) has fallen to ``DECAY``."""
        radii = torch.linspace(1.0, self.cutoff, self.n, dtype=torch.float64)
        l = torch.arange(self.l_max + 1, dtype=torch.float64)[:, None]
        return (l * radii.log() - math.log(DECAY)) / radii.square()

    @cached_property
    def mixing(self) -> Float[Tensor, "degrees n n_primitive"]:
        """β = S^{−1/2}, the symmetric orthonormalisation; S is the overlap ∫ r² r^2l exp(−(α+α')r²) dr."""
        alpha = self.exponents
        rows = []
        for l in range(self.l_max + 1):
            total = alpha[l][:, None] + alpha[l][None, :]
            overlap = 0.5 * math.gamma(l + 1.5) * total ** -(l + 1.5)
            values, vectors = torch.linalg.eigh(overlap)
            rows.append(vectors @ torch.diag(values.rsqrt()) @ vectors.mT)
        return torch.stack(rows)

    @cached_property
    def primitive(self) -> tuple[Float[Tensor, " primitives"], Float[Tensor, "primitives degrees n"]]:
        """Decay rates aα/(a+α), and the weights with which each primitive enters degree l and orbital n."""
        a, alpha = 0.5 / self.sigma**2, self.exponents
        rates = a * alpha / (a + alpha)
        l = torch.arange(self.l_max + 1, dtype=torch.float64)[:, None]
        size = (math.pi / (a + alpha)) ** 1.5 * (a / (a + alpha)) ** l
        # Component normalisation has Y_00 = 1, orthonormal harmonics are smaller by √(4π).
        weights = self.mixing * size[:, None, :] / math.sqrt(4 * math.pi)
        placed = torch.zeros(self.l_max + 1, self.n, self.l_max + 1, self.n, dtype=torch.float64)
        for degree in range(self.l_max + 1):
            placed[degree, :, degree, :] = weights[degree].mT
        return rates.flatten(), placed.flatten(0, 1)


def density_coefficients(
    graph: Graph, weights: Float[Tensor, "atoms channels"], basis: OrbitalBasis
) -> tuple[Float[Tensor, "atoms _ channels n"], ...]:
    """Coefficients c of every atom's neighbour density, one block per degree, float64.

    ``weights`` are w_k of every atom, in any dtype. Edges beyond the cutoff of the basis do not count.

    Raises
    ------
    ValueError
        The graph was searched with a smaller cutoff.
    """
    check_cutoff(graph, basis.cutoff)
    vectors, w = graph.vectors.double(), weights.double()
    square, x = vectors.square().sum(1), lengths(vectors) / basis.cutoff
    fade = torch.where(x < 1, (1 - 3 * x**2 + 2 * x**3).square(), torch.zeros_like(x))
    rates, placed = (t.to(w.device) for t in basis.primitive)
    radial = torch.exp(-square[:, None] * rates) * fade[:, None]
    channels = w.shape[1]
    features = w.repeat_interleave(basis.n, dim=1)[:, None]
    factors = placed.repeat(1, 1, channels)
    coupling = Coupling(0, basis.l_max, basis.l_max)
    Y = solid_harmonics(vectors, basis.l_max)
    c = radial_convolution(features, Y, radial, factors, graph.centre, graph.neighbour, coupling)
    own = features * placed[: basis.n, 0].sum(0).repeat(channels)
    c = torch.cat([c[:, :1] + own, c[:, 1:]], dim=1)
    sizes = [2 * l + 1 for l in range(basis.l_max + 1)]
    return tuple(b.unflatten(2, (channels, basis.n)) for b in c.split(sizes, dim=1))


def power_spectrum(
    blocks: tuple[Float[Tensor, "atoms _ channels n"], ...], pairs: Pairs = "all"
) -> Float[Tensor, "atoms features"]:
    """P of every atom: products of all pairs (kn, k'n'), or only of those with k = k', each once.

    Degree by degree; a pair of two different ones stands once, with √2, so that the scalar product of two
    power spectra is that of the full symmetric matrices.
    """
    channels, n = blocks[0].shape[2:]
    i, j = torch.triu_indices(channels * n, channels * n, device=blocks[0].device)
    if pairs == "same channel":
        same = i // n == j // n
        i, j = i[same], j[same]
    twice = torch.where(i == j, 1.0, math.sqrt(2.0)).to(blocks[0].dtype)
    parts = []
    for b in blocks:
        flat = b.flatten(2)
        gram = torch.einsum("amc,amd->acd", flat, flat)
        parts.append(gram[:, i, j] * (twice * math.pi * math.sqrt(8 / b.shape[1])))
    return torch.cat(parts, dim=1)


def width(channels: int, n: int, l_max: int, pairs: Pairs) -> int:
    """Number of features of a power spectrum."""
    size = channels * n * (channels * n + 1) // 2 if pairs == "all" else channels * n * (n + 1) // 2
    return size * (l_max + 1)
