"""Bessel functions times the polynomial cutoff as formulae for lanes; smooth at 0, zero from the cutoff on.

With c the cutoff, x = r/c, θ = πx and u(x) the cutoff function, the basis is √(2/c) (π/c) u(x) sin(nθ)/θ.
Only θ ≤ π is met, so sin(h)/h and cos(h) of half the angle, h ≤ π/2, are power series in h² and sinθ/θ their
product: no division, no branch, no reduction. The functions f_n of higher n follow by differences,

    f_{n+1} = f_n + d_{n+1},   d_{n+1} = d_n − 4 sin²h f_n,   f_0 = 0,   d_1 = f_1

which is sin((n+1)θ) = 2 cosθ sin(nθ) − sin((n−1)θ) without its loss of digits at small angles. The cutoff is
written as (1 − x)³ Σ_{k<p} ½(k+1)(k+2) x^k, the same polynomial with a triple zero that no rounding moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial, pi, sqrt

from atomscape.ops.jit.dual import Dual
from atomscape.ops.jit.lanes import Program, Value

_TERMS = {"float": 8, "double": 12}
"""Terms of the series: second derivatives are exact to rounding for h ≤ π/2."""


@dataclass(frozen=True)
class RadialBasis:
    """Functions n = 1 … ``count``, cutoff of the given power; the run-time ``scale`` is 1/c."""

    count: int
    power: int

    inputs = 1

    @property
    def outputs(self) -> int:
        """Functions per distance."""
        return self.count

    def values(self, p: Program, r: list[Dual], scale: Dual) -> list[Dual]:
        """All functions at r."""
        return self._functions(p, _inside(p, r[0] * scale), scale, Dual(p.constant(1.0)))

    def gradient(self, p: Program, r: list[Dual], g: list[Dual], scale: Dual) -> list[Dual]:
        """Σ_n g_n f_n'(r), with derivatives of dual numbers of dual numbers."""
        x = _nested(_inside(p, r[0] * scale), scale)
        one = _nested(Dual(p.constant(1.0)))
        found = self._functions(p, x, _nested(scale), one)
        terms = [a * f.tangent for a, f in zip(g, found, strict=True) if f.tangent is not None]
        return [sum(terms[1:], start=terms[0])]

    def _functions(self, p: Program, x: Dual, scale: Dual, one: Dual) -> list[Dual]:
        terms, h = _TERMS[p.scalar], x * (pi / 2)
        square = h * h
        sine = _polynomial(square, [(-1.0) ** j / factorial(2 * j + 1) for j in range(terms)], one)
        cosine = _polynomial(square, [(-1.0) ** j / factorial(2 * j) for j in range(terms)], one)
        step = square * sine * sine * -4.0
        f = _cutoff(x, self.power, one) * (sine * cosine) * (_root(p, scale) * scale * (sqrt(2) * pi))
        found, difference = [f], f
        for _ in range(self.count - 1):
            difference = difference + step * found[-1]
            found.append(found[-1] + difference)
        return found


def _inside(p: Program, x: Dual) -> Dual:
    """Beyond the cutoff everything is as at the cutoff: zero with two derivatives."""
    one = p.constant(1.0)
    return Dual(p.select(p.compare("ge", x.value, one), one, x.value), x.tangent)


def _cutoff(x: Dual, power: int, one: Dual) -> Dual:
    rest = one - x
    return rest * rest * rest * _polynomial(x, [(k + 1) * (k + 2) / 2 for k in range(power)], one)


def _polynomial(x: Dual, coefficients: list[float], one: Dual) -> Dual:
    """Σ c_k x^k by Horner's rule."""
    total = one * coefficients[-1]
    for c in reversed(coefficients[:-1]):
        total = total * x + one * c
    return total


def _root(p: Program, scale: Dual) -> Dual:
    """√scale; a constant, nested or not."""
    if isinstance(scale.value, Value):
        return Dual(p.sqrt(scale.value))
    return _nested(_root(p, scale.value))


def _nested(value: Dual, tangent: Dual | None = None) -> Dual[Dual]:
    """A dual number of dual numbers: its derivatives can vary too."""
    return Dual(value, tangent)
