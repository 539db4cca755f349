"""Solid harmonics on CPUs: native code written by running the recursion of floor 1 on SIMD lanes."""

from __future__ import annotations

from atomscape.ops.harmonics import solid_harmonics
from atomscape.ops.jit.harmonics import Harmonics, declined
from atomscape.ops.jit.pointwise import Pointwise
from atomscape.shapes import Float, Tensor


def serves(r: Tensor, l_max: int) -> str | None:
    """Serve float32 and float64 vectors on the CPU, degrees 1 to 12."""
    return declined(r, l_max)


def run(r: Float[Tensor, "*batch 3"], l_max: int) -> Float[Tensor, "*batch lm"]:
    """Same as the reference."""
    return _operator(r, l_max)


_operator = Pointwise(
    "solid_harmonics",
    "int l_max",
    formulae=lambda l_max: Harmonics(l_max, directed=False),
    scale=lambda l_max: 1.0,
    reference=solid_harmonics.reference,
    vector=True,
    many=True,
).register()
