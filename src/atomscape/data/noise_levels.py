"""Levels of noise: one σ for all structures, or one drawn log-uniformly for each."""

from __future__ import annotations

from math import isfinite, log
from typing import Annotated

import numpy as np
import torch
from pydantic import AfterValidator

from atomscape.shapes import Float, Tensor


def refuse_levels(sigma: float | tuple[float, float]) -> float | tuple[float, float]:
    """Return the level.

    Raises
    ------
    ValueError
        A level is not positive, or the smallest is not the smaller one.
    """
    given = sigma if isinstance(sigma, tuple) else (sigma,)
    if not all(isfinite(x) and x > 0 for x in given) or list(given) != sorted(set(given)):
        raise ValueError(f"sigma is a positive number, or the smallest and the largest; given {sigma}")
    return sigma


Level = Annotated[float | tuple[float, float], AfterValidator(refuse_levels)]
"""σ, or the smallest and the largest it is drawn between; refused by a config where it is none."""


def drawn_levels(
    sigma: float | tuple[float, float], n: int, rng: np.random.Generator
) -> Float[Tensor, " structures"]:
    """σ of each of n structures, float64."""
    if isinstance(sigma, tuple):
        return torch.from_numpy(np.exp(rng.uniform(log(sigma[0]), log(sigma[1]), n)))
    return torch.full((n,), sigma, dtype=torch.float64)
