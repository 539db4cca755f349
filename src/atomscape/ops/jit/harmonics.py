"""Real solid and spherical harmonics as formulae for lanes: the recursion of floor 1, run on registers.

Derivatives need no recursion of their own: the gradient of a solid harmonic is a solid harmonic of one degree
less, ∂S_lm/∂r_c = Σ_m' G[c, m, m'] S_{l−1,m'}, so that with g the cotangent

    ∂/∂r_c Σ g_lm S_lm = Σ_{l m'} S_{l−1,m'} Σ_m g_lm G_l[c, m, m'].

Of the spherical harmonics, S at r̂ = r/|r|, the part of this along r̂ is taken away: (v − r̂(r̂·v))/|r|.
"""

from __future__ import annotations

from dataclasses import dataclass

from atomscape.o3.harmonics import monic_columns, norms, solid_gradient_matrix
from atomscape.ops.jit import launch
from atomscape.ops.jit.dual import Dual
from atomscape.ops.jit.lanes import Program
from atomscape.ops.jit.vectors import dot, inverse_root
from atomscape.shapes import Tensor

HIGHEST = 12
"""Degree up to which kernels are written; the recursion itself has no end."""


@dataclass(frozen=True)
class Harmonics:
    """Degrees 0 … ``l_max``, of the vector itself or of its direction."""

    l_max: int
    directed: bool

    @property
    def inputs(self) -> int:
        """Components of a vector."""
        return 3

    @property
    def outputs(self) -> int:
        """Harmonics of all degrees."""
        return (self.l_max + 1) ** 2

    def values(self, p: Program, r: list[Dual], scale: Dual) -> list[Dual]:
        """Harmonics in the order of the columns."""
        columns, _, _ = self._columns(p, r, self.l_max)
        return [c * n for c, n in zip(columns, norms(self.l_max), strict=True)]

    def gradient(self, p: Program, r: list[Dual], g: list[Dual], scale: Dual) -> list[Dual]:
        """Σ g ∂S/∂r."""
        columns, direction, inverse = self._columns(p, r, self.l_max - 1)
        v = _pull_back(columns, g, self.l_max)
        if not self.directed:
            return v
        along = dot(direction, v)
        return [(c - n * along) * inverse for c, n in zip(v, direction, strict=True)]

    def _columns(self, p: Program, r: list[Dual], l_max: int) -> tuple[list[Dual], list[Dual], Dual]:
        """Harmonics that lack their norms, the vector they are of, and 1/|r|."""
        one = Dual(p.constant(1.0))
        square, inverse = dot(r, r), one
        if self.directed:
            inverse = inverse_root(p, square)
            r = [c * inverse for c in r]
            # On the sphere r² is 1, and 0 for the zero vector, which has no direction.
            directed = p.compare("gt", square.value, 0.0)
            square = Dual(p.select(directed, one.value, p.constant(0.0)))
        x, y, z = r
        return monic_columns(x, y, z, square, one, l_max, _fused), r, inverse


def _pull_back(columns: list[Dual], g: list[Dual], l_max: int) -> list[Dual]:
    """Σ g_lm G_l[c, m, m'] S_{l−1,m'} for c = x, y, z."""
    factors = norms(l_max)
    products: list[list[Dual]] = [[], [], []]
    for l in range(1, l_max + 1):
        matrix = solid_gradient_matrix(l).tolist()
        for lower in range(2 * l - 1):
            column = (l - 1) ** 2 + lower
            for c in range(3):
                terms = [
                    g[l * l + m] * (row[lower] * factors[column])
                    for m, row in enumerate(matrix[c])
                    if row[lower]
                ]
                products[c].append(sum(terms[1:], start=terms[0]) * columns[column])
    return [sum(p[1:], start=p[0]) for p in products]


def _fused(c: Dual, a: Dual, b: Dual, k: float = 1.0) -> Dual:
    return c + a * (b if k == 1.0 else b * k)


def declined(r: Tensor, l_max: int) -> str | None:
    """Why the kernels cannot serve, or None."""
    if not 1 <= l_max <= HIGHEST:
        return f"degree {l_max}; kernels are written for degrees 1 to {HIGHEST}"
    if r.shape[-1:] != (3,):
        return f"the last axis of {list(r.shape)} is not x, y, z"
    return launch.declined(r)
