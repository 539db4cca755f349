"""Vectors as formulae for lanes: scalar product, inverse root, length.

Root and division are slow, and hardly overlap. Processors with AVX-512 estimate y ≈ 1/√s in float32 to 14
bits. One step of Newton's method, with e = 1 − s y² from a fused multiply–add,

    1/√s ≈ y + ½ e y,   error 3/8 e² < 2⁻²⁷

makes it as good as rounding allows. A float64 would need two steps, and has the root and the division.
"""

from __future__ import annotations

from dataclasses import dataclass

from atomscape.ops.jit.compile import vector_bytes
from atomscape.ops.jit.dual import Dual
from atomscape.ops.jit.lanes import Program, Value

_WIDE = 64
"""Bytes of AVX-512's vectors."""


def dot(a: list[Dual], b: list[Dual]) -> Dual:
    """Scalar product of two vectors of space."""
    x, y, z = (m * n for m, n in zip(a, b, strict=True))
    return x + y + z


def inverse_root(p: Program, square: Dual) -> Dual:
    """1/√s, and 0 with derivative 0 for s = 0 and for an s that has overflown."""
    value = p.select(p.finite_positive(square.value), _inverse_root(p, square.value), p.constant(0.0))
    if square.tangent is None:
        return Dual(value)
    return Dual(value, (square.tangent * value) * (value * value) * -0.5)


def _inverse_root(p: Program, s: Value) -> Value:
    """1/√s for finite s > 0."""
    if p.scalar == "double" or vector_bytes() < _WIDE:
        return p.constant(1.0) / p.sqrt(s)
    y = p.estimate_inverse_root(s)
    e = p.fma(s * y, -y, p.constant(1.0))
    return p.fma(y * 0.5, e, y)


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
