"""Rows: what an optimiser moves. A structure has a row of three numbers per atom, and more for a free cell.

The optimisers know nothing of structures. They see ``place`` and ``force`` of rows, and which structure owns
each; whatever they sum, they sum over the rows of a structure, so a batch does what each does alone.
"""

from __future__ import annotations

from atomscape.ops.segment import segment_sum
from atomscape.shapes import Float, Int, Tensor


def dot(
    a: Float[Tensor, "rows 3"], b: Float[Tensor, "rows 3"], owner: Int[Tensor, " rows"], n: int
) -> Float[Tensor, " structures"]:
    """Σ a·b over the rows of each structure."""
    return segment_sum((a * b).sum(1), owner, n)


def longest(
    step: Float[Tensor, "rows 3"], owner: Int[Tensor, " rows"], n: int
) -> Float[Tensor, " structures"]:
    """Length of the longest row of each structure."""
    square = step.square().sum(1)
    return square.new_zeros(n).scatter_reduce(0, owner, square, "amax").sqrt()


def limited(
    step: Float[Tensor, "rows 3"], owner: Int[Tensor, " rows"], n: int, most: float
) -> Float[Tensor, "rows 3"]:
    """The step, shortened where a row of the structure would move by more than ``most`` (Å)."""
    factor = (most / longest(step, owner, n).clamp(min=most)).unsqueeze(1)
    return step * factor[owner]
