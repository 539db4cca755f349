"""Solid harmonics on GPUs of any vendor: a Triton kernel written out from the recursion."""

from __future__ import annotations

from atomscape.ops.gpu.available import harmonics_reason
from atomscape.shapes import Float, Tensor


def serves(r: Tensor, l_max: int) -> str | None:
    """``None`` if Triton can serve the call, else why not."""
    return harmonics_reason(r, l_max)


def run(r: Float[Tensor, "*batch 3"], l_max: int) -> Float[Tensor, "*batch lm"]:
    """Same signature and result as ``atomscape.ops.harmonics.solid_harmonics``: r^l Y_lm."""
    from atomscape.ops.gpu.harmonics import solid_harmonics

    return solid_harmonics(r, l_max)
