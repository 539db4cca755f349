"""Weights of an element, for every element there is, from few numbers: layers that depend on the atom's kind.

    W[Z] = Σ_k e[Z, k] W_k / √(4K/3)

MACE and NequIP give each element of the data weights of its own, W[Z]. So it is here, too, while there are
no more elements than numbers ``K`` of each; more of them share, which is how species are compressed in
descriptors (Willatt et al. 2018, arXiv:1807.00236, eq. 7). The e are learned and start from the periodic
table (``nn.species``): like elements start close, and those that no batch held still have weights.
"""

from __future__ import annotations

import torch
from torch import nn

from atomscape.nn.kinds import Kinds
from atomscape.nn.layout import Layout
from atomscape.nn.species import SpeciesEmbedding
from atomscape.ops.traced import being_traced
from atomscape.shapes import Float, Tensor


class ElementWeights(nn.Module):
    """Weights ``[kinds, *shape]`` of the elements of a batch; of unit variance at the start."""

    def __init__(self, shape: tuple[int, ...], numbers: int) -> None:
        super().__init__()
        self.shape = shape
        self.elements = SpeciesEmbedding(numbers)
        self.weight = nn.Parameter(torch.randn(numbers, *shape))

    def forward(self, kinds: Kinds) -> Float[Tensor, "kinds *shape"]:
        """Weights of the elements that there are."""
        e = self.elements(kinds.numbers) * (0.75 / len(self.weight)) ** 0.5
        return (e @ self.weight.flatten(1)).unflatten(1, self.shape)


class ElementInteraction(nn.Module):
    """``out[a, lm, d] = Σ_c x[a, lm, c] W[Z_a, l, c, d]``: a self-interaction with weights by element."""

    def __init__(self, layout: Layout, channels_in: int, channels_out: int, numbers: int) -> None:
        super().__init__()
        self.layout, self.scale = layout, channels_in**-0.5
        self.weights = ElementWeights((len(layout.keys), channels_in, channels_out), numbers)

    def forward(
        self, x: Float[Tensor, "atoms lm channels_in"], kinds: Kinds
    ) -> Float[Tensor, "atoms lm channels_out"]:
        """Mix channels of each degree, atom by atom as its element says."""
        weights = self.weights(kinds) * self.scale
        if being_traced():
            return self._atom_by_atom(x, weights.index_select(0, kinds.index))
        mixed = [
            torch.cat([b @ w for b, w in zip(self.layout.split(part), of_kind.unbind(0), strict=True)], 1)
            for part, of_kind in zip(kinds.apart(x), weights.unbind(0), strict=True)
        ]
        if not mixed:
            return x.new_zeros(0, x.shape[1], weights.shape[-1])
        return kinds.together(mixed)

    def _atom_by_atom(
        self, x: Tensor, weights: Float[Tensor, "atoms keys channels_in channels_out"]
    ) -> Tensor:
        """The same with weights written out: more memory, and nothing depends on how many atoms there are."""
        blocks = zip(self.layout.split(x), weights.unbind(1), strict=True)
        return torch.cat([torch.bmm(block, w) for block, w in blocks], 1)
