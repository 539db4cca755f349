"""Bessel functions times the polynomial cutoff on CPUs, in one pass, with derivatives."""

from __future__ import annotations

from atomscape.ops.jit import launch
from atomscape.ops.jit.bessel import RadialBasis
from atomscape.ops.jit.pointwise import Pointwise
from atomscape.ops.radial import radial_basis
from atomscape.shapes import Float, Tensor

MOST = 64


def serves(r: Tensor, cutoff: float, count: int, power: int = 6) -> str | None:
    """Serve float32 and float64 distances on the CPU, up to 64 functions."""
    if not 1 <= count <= MOST:
        return f"{count} functions; the kernel is written for 1 to {MOST}"
    if not isinstance(power, int) or not 1 <= power <= MOST:
        return f"power {power}; the kernel is written for whole powers from 1 to {MOST}"
    if cutoff <= 0:
        return f"cutoff {cutoff}; it must be positive"
    return launch.declined(r)


def run(
    r: Float[Tensor, " edges"], cutoff: float, count: int, power: int = 6
) -> Float[Tensor, "edges basis"]:
    """Same as the reference."""
    return _operator(r, cutoff, count, power)


_operator = Pointwise(
    "radial_basis",
    "float cutoff, int count, int power",
    formulae=lambda cutoff, count, power: RadialBasis(count, power),
    scale=lambda cutoff, count, power: 1.0 / cutoff,
    reference=radial_basis.reference,
    vector=False,
    many=True,
).register()
