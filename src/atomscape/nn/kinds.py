"""Kinds: which elements a batch holds, and which atoms are of each, so that layers can treat them apart."""

from __future__ import annotations

from typing import NamedTuple

import torch

from atomscape.ops.traced import being_traced
from atomscape.shapes import Float, Int, Tensor


class Kinds(NamedTuple):
    """Elements of a batch, and its atoms in their order."""

    numbers: Int[Tensor, " kinds"]  # atomic numbers, ascending, each once
    index: Int[Tensor, " atoms"]  # place of each atom's element in ``numbers``
    order: Int[Tensor, " atoms"]  # atoms, element after element
    back: Int[Tensor, " atoms"]  # place of each atom in ``order``
    counts: list[int]  # atoms of each element; none in a trace, where they are not fixed

    def apart(self, x: Float[Tensor, "atoms *rest"]) -> tuple[Tensor, ...]:
        """Rows of atoms, element by element."""
        return x.index_select(0, self.order).split(self.counts)

    def together(self, parts: list[Tensor]) -> Tensor:
        """Rows of every element, in the order of the atoms."""
        return torch.cat(parts).index_select(0, self.back)


def kinds_of(numbers: Int[Tensor, " atoms"]) -> Kinds:
    """Kinds of the atoms with these atomic numbers."""
    present, index, counts = numbers.unique(return_inverse=True, return_counts=True)
    order = index.argsort(stable=True)
    fixed = [] if being_traced() else counts.tolist()
    return Kinds(present, index, order, order.argsort(), fixed)
