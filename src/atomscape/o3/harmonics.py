"""Real spherical and solid harmonics of any degree, by recursion in Cartesian coordinates.

Convention: polar axis z; index ``l*l + l + m`` with m = −l … l; no Condon–Shortley phase; 'component'
normalisation, Σ_m Y_lm² = 2l+1, that is Y₀₀ = 1 and Y₁ = √3 (y, z, x). The solid harmonic is S_lm(r) = |r|^l
Y_lm(r/|r|), a homogeneous polynomial: exact derivatives of every order, nothing singular at the origin.

With A_m + iB_m = (x + iy)^m and monic polynomials p in z and r² (associated Legendre, r-homogeneous),

    p_m^m = 1,    p_l^m = z p_{l−1}^m − r² p_{l−2}^m ((l−1)² − m²)/((2l−1)(2l−3)),
    S_lm = N_lm p_l^|m| × (A_m for m ≥ 0, B_|m| for m < 0).
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import factorial, prod, sqrt
from typing import Any, Protocol, Self, TypeVar, runtime_checkable

import torch

from atomscape.o3.clebsch_gordan import clebsch_gordan
from atomscape.shapes import Float, Tensor


@runtime_checkable
class Number(Protocol):
    """What the recursion asks of its variables."""

    def __add__(self, other: Any, /) -> Self:
        """Sum."""
        ...

    def __mul__(self, other: Any, /) -> Self:
        """Product."""
        ...


N = TypeVar("N", bound=Number)


def solid_harmonics(r: Float[Tensor, "*batch 3"], l_max: int) -> Float[Tensor, "*batch lm"]:
    """r^l Y_lm(r̂) for l ≤ l_max: polynomials in the vector's components, smooth at the origin.

    Raises
    ------
    ValueError
        ``l_max`` is negative.
    """
    x, y, z = r.unbind(-1)
    return _stacked(x, y, z, (r * r).sum(-1) if l_max > 1 else z, l_max)


def spherical_harmonics(r: Float[Tensor, "*batch 3"], l_max: int) -> Float[Tensor, "*batch lm"]:
    """Y_lm(r/|r|) for l ≤ l_max.

    The zero vector has no direction: there Y₀ = 1, all others are 0, and so are their derivatives.

    Raises
    ------
    ValueError
        ``l_max`` is negative.
    """
    square = (r * r).sum(-1, keepdim=True)
    directed = square > 0
    inverse = torch.where(directed, torch.where(directed, square, 1).rsqrt(), 0)
    x, y, z = (r * inverse).unbind(-1)
    # On the sphere r² is the constant 1 (0 for the zero vector): no derivative has to pass through it.
    return _stacked(x, y, z, directed.squeeze(-1).to(r.dtype), l_max)


def _stacked(x: Tensor, y: Tensor, z: Tensor, square: Tensor, l_max: int) -> Tensor:
    """Run the recursion on tensors; normalise all columns at once."""
    if l_max < 0:
        raise ValueError(f"l_max is {l_max}; the highest degree must be 0 or more")
    columns = monic_columns(x, y, z, square, torch.ones_like(x), l_max, _fused)
    return torch.stack(columns, dim=-1) * torch.tensor(norms(l_max), dtype=x.dtype, device=x.device)


def _fused(c: Tensor, a: Tensor, b: Tensor, k: float = 1.0) -> Tensor:
    return torch.addcmul(c, a, b, value=k)


def monic_columns(x: N, y: N, z: N, square: N, one: N, l_max: int, fused: Callable[..., N]) -> list[N]:
    """S_lm / N_lm for l ≤ l_max, of whatever can be multiplied and added: tensors, registers of a kernel.

    ``square`` is r², ``one`` the number 1, ``fused(c, a, b, k)`` is c + k·a·b. The columns (l, ±m) are filled
    for each m by the recursion in l.
    """
    columns = [one] * (l_max + 1) ** 2
    a, b = None, None
    for m in range(l_max + 1):
        if m == 1:
            a, b = x, y
        elif a is not None and b is not None:
            a, b = fused(x * a, y, b, -1.0), fused(x * b, y, a)
        p = _legendre(z, square, m, l_max, fused)
        for l in range(m, l_max + 1):
            centre = l * l + l
            if a is None or b is None:
                columns[centre] = one if l == 0 else p[l - m]
            else:
                columns[centre + m] = a if l == m else a * p[l - m]
                columns[centre - m] = b if l == m else b * p[l - m]
    return columns


def _legendre(z: N, square: N, m: int, l_max: int, fused: Callable[..., N]) -> list[N]:
    """The polynomials p_l^m for l = m … l_max (the first, 1, is only a place holder)."""
    p = [z, z]
    for l in range(m + 2, l_max + 1):
        c = ((l - 1) ** 2 - m**2) / ((2 * l - 1) * (2 * l - 3))
        p.append(z * p[-1] + square * -c if l == m + 2 else fused(z * p[-1], square, p[-2], -c))
    return p


def norms(l_max: int) -> list[float]:
    """N_lm of ``monic_columns``, in their order; those of everyday degrees are at hand."""
    return [
        *_EVERYDAY[: (l_max + 1) ** 2],
        *(norm(l, m) for l in range(13, l_max + 1) for m in range(-l, l + 1)),
    ]


def norm(l: int, m: int) -> float:
    """√((2l+1)(2 − δ_m0)(l−|m|)!/(l+|m|)!) × (2l−1)!!/(l−|m|)!, the last factor because p is monic."""
    m = abs(m)
    square = (
        (2 * l + 1)
        * (1 if m == 0 else 2)
        * Fraction(prod(range(1, 2 * l, 2)) ** 2, factorial(l - m) * factorial(l + m))
    )
    return sqrt(square)


_EVERYDAY = tuple(norm(l, m) for l in range(13) for m in range(-l, l + 1))


def solid_gradient_matrix(l: int) -> Float[Tensor, "3 m lower"]:
    """G of ∂S_lm/∂r_c = Σ_m' G[c, m, m'] S_{l−1,m'}(r); c = x, y, z; float64, sparse by nature.

    The gradient of a solid harmonic is a solid harmonic of one degree less: G = √(l(2l+1)) C(l−1, 1, l).

    Raises
    ------
    ValueError
        l < 1: the gradient of degree 0 is zero, there is no lower degree.
    """
    if l < 1:
        raise ValueError(f"degree {l} has no lower degree for its gradient; l must be 1 or more")
    coupling = clebsch_gordan(l - 1, 1, l) * sqrt(l * (2 * l + 1))
    return coupling[:, [2, 0, 1]].permute(1, 2, 0).contiguous()
