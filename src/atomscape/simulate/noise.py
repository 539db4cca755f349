"""Noise as a function of (seed, step): nothing has to be remembered to go on, and structures share nothing.

Numbers come from a counter-based generator (Philox; Salmon et al., SC 2011): the seed is its key, the step
and what the numbers are for its counter. A structure's noise does not depend on who else is in the batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from atomscape.shapes import Float, Tensor

VELOCITIES, KICKS, RESCALING = 0, 1, 2
"""What numbers are for; each has a stream of its own."""


def stream(seed: int, step: int, purpose: int) -> np.random.Generator:
    """The generator of one structure in one step."""
    return np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, purpose, step]))


def normal(seeds: Sequence[int], counts: Sequence[int], step: int, purpose: int) -> Float[Tensor, "atoms 3"]:
    """Independent numbers of mean 0 and variance 1 for every atom."""
    drawn = [
        stream(seed, step, purpose).standard_normal((n, 3)) for seed, n in zip(seeds, counts, strict=True)
    ]
    return torch.from_numpy(np.concatenate(drawn)) if drawn else torch.zeros(0, 3, dtype=torch.float64)
