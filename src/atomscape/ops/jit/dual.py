"""Dual numbers in kernels: a value and its derivative along one direction, carried through the formulae.

A kernel written with them computes a directional derivative of what it computed before. Of a gradient that is
all a second derivative needs: the gradient of v·∇S is the derivative of ∇S along v.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic

from atomscape.o3.harmonics import N


@dataclass(frozen=True, eq=False, slots=True)
class Dual(Generic[N]):
    """A number, most often a register, and its derivative; without one it does not vary along the direction.

    Of dual numbers it makes second derivatives.
    """

    value: N
    tangent: N | None = None

    def __add__(self, other: Dual) -> Dual:
        """Sum."""
        return Dual(self.value + other.value, _sum(self.tangent, other.tangent))

    def __sub__(self, other: Dual) -> Dual:
        """Difference."""
        return self + other * -1.0

    def __mul__(self, other: Dual | float) -> Dual:
        """Product, by Leibniz's rule."""
        if not isinstance(other, Dual):
            return Dual(self.value * other, None if self.tangent is None else self.tangent * other)
        left = None if self.tangent is None else self.tangent * other.value
        right = None if other.tangent is None else self.value * other.tangent
        return Dual(self.value * other.value, _sum(left, right))


def _sum(a: N | None, b: N | None) -> N | None:
    if a is None or b is None:
        return b if a is None else a
    return a + b
