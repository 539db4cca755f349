"""Symmetric Clebsch–Gordan tensors: all equivariant polynomials of one degree in some features.

A product of ν factors of degrees l₁ … l_ν contains the degree L as often as there are chains of couplings

    l₁ ⊗ l₂ → k₂,   k₂ ⊗ l₃ → k₃,   …,   k_{ν−1} ⊗ l_ν → L

(the generalised Clebsch–Gordan coefficients of Drautz 2019, Phys. Rev. B 99, 014104, and of MACE, Batatia
et al. 2022, arXiv:2206.07697, eq. 10). Where the same vector enters several times, exchanging these factors
changes nothing, so only the part of a chain that is symmetric under the exchange counts. These parts are
often linearly dependent, and some vanish (the cross product of a vector with itself). What is left is made an
orthonormal basis by Gram–Schmidt in the order of the chains: the first symmetric part that is not zero comes
first, with a positive sign, and the basis is the same on every machine.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import cache
from itertools import permutations

import torch

from atomscape.o3.clebsch_gordan import clebsch_gordan
from atomscape.shapes import Float, Tensor

_ZERO = 1e-10
"""Squares of norms and entries below this are rounding; the smallest true ones are of the order 1e-4."""


def symmetric_clebsch_gordan(
    degrees: Sequence[int], l: int, alike: Sequence[Hashable] | None = None
) -> Float[Tensor, "maps *orders"]:
    """All maps of a product of vectors to degree ``l`` that are symmetric in equal factors; float64.

    Parameters
    ----------
    degrees
        Degree of each factor.
    l
        Degree of the result.
    alike
        A label for each factor: factors with the same label are the same vector. By default those with the
        same degree.

    Returns
    -------
    T[n, m₁, …, m_ν, m]
        Possibly no map at all. Orthonormal: Σ_{m₁…m_ν} T[n, m₁…m_ν, m] T[n', m₁…m_ν, m'] = δ_nn' δ_mm'.
        Equivariant: with x_t of degree l_t, Σ T[n, m₁…m_ν, m] x₁[m₁] … x_ν[m_ν] has degree ``l``. The result
        is the caller's own copy.

    Raises
    ------
    ValueError
        No factor, a negative degree, or labels that do not fit the degrees.
    """
    labels = tuple(degrees) if alike is None else tuple(alike)
    if not degrees or min(*degrees, l) < 0:
        raise ValueError(f"give at least one factor and no negative degree; given {tuple(degrees)} → {l}")
    if len(labels) != len(degrees) or len(set(zip(labels, degrees, strict=False))) != len(set(labels)):
        raise ValueError(
            f"factors that are alike have one degree and each factor has one label; "
            f"given degrees {tuple(degrees)} and labels {labels}"
        )
    return _symmetric(tuple(degrees), l, tuple(labels.index(a) for a in labels)).clone()


@cache
def _symmetric(degrees: tuple[int, ...], l: int, alike: tuple[int, ...]) -> Tensor:
    order = len(degrees)
    exchanges = [p for p in permutations(range(order)) if all(alike[i] == alike[j] for i, j in enumerate(p))]
    found: list[Tensor] = []
    for chain in _chains(degrees, l):
        rest = torch.stack([chain.permute(*p, order) for p in exchanges]).mean(0)
        for _ in range(2):  # the second pass removes what rounding left of the first
            for known in found:
                rest = rest - known * _product(known, rest)
        square = _product(rest, rest)
        if square > _ZERO:
            rest = rest / square**0.5
            found.append(torch.where(rest.abs() > _ZERO, rest, 0.0))
    shape = [2 * k + 1 for k in (*degrees, l)]
    return torch.stack(found) if found else torch.zeros(0, *shape, dtype=torch.float64, device="cpu")


def _product(a: Tensor, b: Tensor) -> float:
    """Inner product over the factors; by Schur's lemma the same for each order m of the result."""
    return (a * b).sum().item() / a.shape[-1]


def _chains(degrees: tuple[int, ...], l: int) -> list[Tensor]:
    """Coupled one after the other, in lexicographic order of the degrees in between."""
    size = 2 * degrees[0] + 1
    chains = [(degrees[0], torch.eye(size, dtype=torch.float64, device="cpu"))]
    for n, k in enumerate(degrees[1:], start=2):
        last = n == len(degrees)
        chains = [
            (j, torch.tensordot(left, clebsch_gordan(i, k, j), 1))
            for i, left in chains
            for j in range(abs(i - k), i + k + 1)
            if not last or j == l
        ]
    return [chain for j, chain in chains if j == l]
