"""Radial functions of the distance r (Å): bases, and cutoffs that take them smoothly to zero."""

from __future__ import annotations

from math import log

import torch

from atomscape.ops.op import Op
from atomscape.shapes import Float, Tensor


@Op
def lengths(vectors: Float[Tensor, "edges 3"]) -> Float[Tensor, " edges"]:
    """Lengths of edge vectors; a zero vector has length 0 and gradient 0 instead of NaN."""
    square = vectors.square().sum(-1)
    zero = square == 0
    return torch.where(
        zero, torch.zeros_like(square), torch.where(zero, torch.ones_like(square), square).sqrt()
    )


@Op
def bessel_basis(r: Float[Tensor, " edges"], cutoff: float, count: int) -> Float[Tensor, "edges basis"]:
    """Spherical Bessel functions √(2/c) sin(nπr/c)/r, n = 1 … count (Gasteiger et al. 2020, eq. 7)."""
    n = torch.arange(1, count + 1, dtype=r.dtype, device=r.device)
    return (2 / cutoff) ** 0.5 * (n * torch.pi / cutoff) * torch.sinc(n * (r / cutoff).unsqueeze(-1))


FAR = 40.0
"""Where a Gaussian e^(−z) counts as zero: less than float64 resolves beside 1.

Further out float32 has numbers whose leading digits are gone; some processors multiply them a hundred times
more slowly, and a training step took three times as long.
"""


def _gaussian(z: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    return torch.where(z < FAR, torch.exp(-z), 0.0)


@Op
def gaussian_basis(r: Float[Tensor, " edges"], cutoff: float, count: int) -> Float[Tensor, "edges basis"]:
    """Gaussians centred evenly on [0, cutoff], one spacing wide (Schütt et al. 2017, SchNet, sec. 3)."""
    centres = torch.linspace(0, cutoff, count, dtype=r.dtype, device=r.device)
    spacing = cutoff / max(count - 1, 1)
    return _gaussian(0.5 * ((r.unsqueeze(-1) - centres) / spacing).square())


@Op
def polynomial_cutoff(r: Float[Tensor, " edges"], cutoff: float, power: int = 6) -> Float[Tensor, " edges"]:
    """1 at r = 0 and 0 from the cutoff on, with two continuous derivatives (Gasteiger et al. 2020, eq. 8)."""
    x, p = r / cutoff, power
    value = 1 - (p + 1) * (p + 2) / 2 * x**p + p * (p + 2) * x ** (p + 1) - p * (p + 1) / 2 * x ** (p + 2)
    return torch.where(x < 1, value, torch.zeros_like(value))


@Op
def cosine_cutoff(r: Float[Tensor, " edges"], cutoff: float) -> Float[Tensor, " edges"]:
    """½(cos(πr/c) + 1), zero from the cutoff on (Behler 2011); its second derivative jumps there."""
    value = 0.5 * (torch.cos(torch.pi * r / cutoff) + 1)
    return torch.where(r < cutoff, value, torch.zeros_like(value))


@Op
def radial_basis(
    r: Float[Tensor, " edges"], cutoff: float, count: int, power: int = 6
) -> Float[Tensor, "edges basis"]:
    """Bessel functions times the polynomial cutoff (Gasteiger et al. 2020, eqs. 7 and 8)."""
    cut = polynomial_cutoff.reference(r, cutoff, power)
    return bessel_basis.reference(r, cutoff, count) * cut.unsqueeze(-1)


DECADES = 2
"""How far below the cutoff the centres of the logarithmic basis begin, in powers of ten."""


def logarithmic_basis(r: Float[Tensor, " edges"], cutoff: float, count: int) -> Float[Tensor, "edges basis"]:
    """Gaussians in ln r, evenly over the last two decades below the cutoff, times the polynomial cutoff.

    A power of r is an exponential in ln r, which evenly spaced Gaussians of one spacing's width follow to
    many digits: 1/r² from 0.5 Å on is as easy as r². Towards r = 0 all go to zero, with all derivatives.
    """
    x = (r / cutoff).clamp(min=1e-6).log().unsqueeze(-1)
    span = DECADES * log(10)
    centres = torch.linspace(-span, 0, count, dtype=r.dtype, device=r.device)
    spacing = span / max(count - 1, 1)
    gaussians = _gaussian(0.5 * ((x - centres) / spacing).square())
    return gaussians * polynomial_cutoff(r, cutoff).unsqueeze(-1)


BASES = {"bessel": radial_basis, "logarithmic": logarithmic_basis}
"""Name in configs → functions (r, cutoff, count) that radial networks are made of."""
