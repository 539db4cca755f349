"""Lengths of edge vectors on CPUs."""

from __future__ import annotations

from atomscape.ops.jit import launch
from atomscape.ops.jit.pointwise import Pointwise
from atomscape.ops.jit.vectors import Length
from atomscape.ops.radial import lengths
from atomscape.shapes import Float, Tensor


def serves(vectors: Tensor) -> str | None:
    """Serve float32 and float64 vectors on the CPU."""
    if vectors.shape[-1:] != (3,):
        return f"the last axis of {list(vectors.shape)} is not x, y, z"
    return launch.declined(vectors)


def run(vectors: Float[Tensor, "edges 3"]) -> Float[Tensor, " edges"]:
    """Same as the reference."""
    return _operator(vectors)


_operator = Pointwise(
    "lengths",
    "",
    formulae=Length,
    scale=lambda: 1.0,
    reference=lengths.reference,
    vector=True,
    many=False,
).register()
