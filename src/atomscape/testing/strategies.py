"""Hypothesis strategies: structures that nobody thought of.

A strategy draws *sketches*; the test makes structures of them with ``drawn``. (Shape checks sample long lists
at random, which Hypothesis forbids while it draws.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from hypothesis import strategies as st

from atomscape.atoms.structures import Structures
from atomscape.testing.cases import crystal


class Sketch(NamedTuple):
    """What a random structure is made from; its atoms' places follow from the seed."""

    pbc: tuple[bool, bool, bool]
    numbers: tuple[int, ...]
    edge: float
    shear: float
    seed: int


sketch = st.builds(
    Sketch,
    pbc=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    numbers=st.lists(st.integers(1, 94), min_size=1, max_size=6).map(tuple),
    edge=st.floats(3.5, 6.0),
    shear=st.floats(0.0, 0.8),
    seed=st.integers(0, 2**31),
)
sketches = st.lists(sketch, min_size=1, max_size=3)


def drawn(plans: Sequence[Sketch]) -> Structures:
    """Batch of structures: sheared cells, atoms off a grid and never on top of each other."""
    return Structures.concatenate([_one(s) for s in plans])


def _one(s: Sketch) -> Structures:
    generator, n = torch.Generator().manual_seed(s.seed), len(s.numbers)
    sites = torch.cartesian_prod(*[torch.arange(3)] * 3)[torch.randperm(27, generator=generator)[:n]]
    jitter = 0.3 * torch.rand(n, 3, generator=generator, dtype=torch.float64)
    shear = torch.tril(torch.randn(3, 3, generator=generator, dtype=torch.float64), -1)
    cell = s.edge * (torch.eye(3, dtype=torch.float64) + s.shear * shear)
    return crystal(list(s.numbers), (sites + jitter) / 3, cell, s.pbc)
