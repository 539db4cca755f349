"""Proposals: places and elements for a missing atom, the best first; what heads for missing atoms return."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from atomscape.shapes import Float, Int, Tensor

LogDensity = Callable[[Tensor, Tensor], Tensor]
"""(positions ``[structures, 3]`` in Å, atomic numbers ``[structures]``) → log p(r, z) of each, p in Å⁻³."""


@dataclass(frozen=True, eq=False)
class Proposals:
    """Ranked proposals of each structure of a batch; where there are fewer, numbers are 0 and places NaN.

    ``probabilities`` say how sure the model is that an atom of that element is near that place. A model that
    has a density gives it as ``log_density``.
    """

    positions: Float[Tensor, "structures ranks 3"]
    numbers: Int[Tensor, "structures ranks"]
    probabilities: Float[Tensor, "structures ranks"]
    log_density: LogDensity | None = None
