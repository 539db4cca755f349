"""Real solid and spherical harmonics as operations; the reference is the recursion of floor 1."""

from __future__ import annotations

from atomscape.o3 import harmonics as recursion
from atomscape.ops.op import Op
from atomscape.shapes import Float, Tensor


@Op
def solid_harmonics(r: Float[Tensor, "*batch 3"], l_max: int) -> Float[Tensor, "*batch lm"]:
    """r^l Y_lm for all l ≤ l_max, index l² + l + m, polar axis z, component normalisation."""
    return recursion.solid_harmonics(r, l_max)


@Op
def spherical_harmonics(r: Float[Tensor, "*batch 3"], l_max: int) -> Float[Tensor, "*batch lm"]:
    """Y_lm(r/|r|) for all l ≤ l_max, index l² + l + m, polar axis z, component normalisation."""
    return recursion.spherical_harmonics(r, l_max)
