"""Settings that networks of several packages have in common: which weights, and how large without a file."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Seed = Annotated[int, Field(ge=0, description="of random weights")]
Elements = Annotated[tuple[int, ...], Field(min_length=1, description="atomic numbers")]
Count = Annotated[int, Field(ge=1)]

Cutoff = Annotated[float, Field(gt=0, description="Å")]
RadialFunctions = Annotated[int, Field(ge=1, description="radial functions")]
Neighbours = Annotated[float, Field(gt=0)]

ALL = tuple(range(1, 119))
"""Every element that has a name."""
