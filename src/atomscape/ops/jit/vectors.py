"""Vectors as formulae for lanes: scalar product, inverse root, length."""

from __future__ import annotations

from dataclasses import dataclass

from atomscape.ops.jit.dual import Dual
from atomscape.ops.jit.lanes import Program


def dot(a: list[Dual], b: list[Dual]) -> Dual:
    """Scalar product of two vectors of space."""
    x, y, z = (m * n for m, n in zip(a, b, strict=True))
    return x + y + z


def inverse_root(p: Program, square: Dual) -> Dual:
    """1/√s, and 0 with derivative 0 for s = 0."""
    zero, one = p.constant(0.0), p.constant(1.0)
    there = p.compare("gt", square.value, 0.0)
    value = p.select(there, one / p.sqrt(p.select(there, square.value, one)), zero)
    if square.tangent is None:
        return Dual(value)
    return Dual(value, (square.tangent * value) * (value * value) * -0.5)


@dataclass(frozen=True)
class Length:
    """|r|; the zero vector has length 0 and no derivative."""

    inputs = 3
    outputs = 1

    def values(self, p: Program, r: list[Dual], scale: Dual) -> list[Dual]:
        """|r|."""
        square = dot(r, r)
        return [square * inverse_root(p, square)]

    def gradient(self, p: Program, r: list[Dual], g: list[Dual], scale: Dual) -> list[Dual]:
        """Along the vector: g r/|r|."""
        inverse = inverse_root(p, dot(r, r))
        return [g[0] * (c * inverse) for c in r]
