"""Feature layout of the networks, ``[atoms, lm, channels]``, and its labelled form, the embedding."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from atomscape.nn.embedding import Embedding
from atomscape.ops.convolution import Parity
from atomscape.shapes import Float, Tensor


@dataclass(frozen=True)
class Layout:
    """Degrees 0 … l_max with equal channels; one or two runs of ``lm`` (see ops.convolution)."""

    l_max: int
    parity: Parity = "natural"

    @property
    def runs(self) -> int:
        """Two when every degree has both parities, else one."""
        return 2 if self.parity == "both" else 1

    @property
    def lm(self) -> int:
        """Length of the ``lm`` axis."""
        return self.runs * (self.l_max + 1) ** 2

    @property
    def keys(self) -> tuple[tuple[int, int], ...]:
        """(l, parity) of each block in order; parity 0 means that it is not tracked."""
        sign = {"natural": (1,), "both": (1, -1), "so3": (0,)}[self.parity]
        return tuple((l, s * (-1) ** l) for s in sign for l in range(self.l_max + 1))

    @property
    def degrees(self) -> tuple[int, ...]:
        """Degree l of each block in order."""
        return tuple(l for l, _ in self.keys)

    def split(self, x: Float[Tensor, "atoms lm channels"]) -> tuple[Float[Tensor, "atoms m channels"], ...]:
        """Blocks in order, as views."""
        return x.split([2 * l + 1 for l in self.degrees], dim=1)

    def widened(
        self, x: Float[Tensor, "atoms lm channels"], to: Layout
    ) -> Float[Tensor, "atoms wide channels"]:
        """The same features in a layout of higher degrees or more parities; what it has more is zero."""
        wide = (to.l_max + 1) ** 2
        runs = x.split((self.l_max + 1) ** 2, 1)
        runs = [torch.nn.functional.pad(run, (0, 0, 0, wide - run.shape[1])) for run in runs]
        made = runs[0] if len(runs) == 1 else torch.cat(runs, 1)
        return torch.nn.functional.pad(made, (0, 0, 0, to.lm - made.shape[1]))

    def narrowed(
        self, x: Float[Tensor, "atoms lm channels"], to: Layout
    ) -> Float[Tensor, "atoms narrow channels"]:
        """The same features without the degrees, and without the run, that a smaller layout does not have."""
        kept = [run[:, : (to.l_max + 1) ** 2] for run in x.split((self.l_max + 1) ** 2, 1)[: to.runs]]
        return kept[0] if len(kept) == 1 else torch.cat(kept, 1)

    def embedding(self, x: Float[Tensor, "atoms lm channels"], layer: str) -> Embedding:
        """Label the blocks."""
        return Embedding(dict(zip(self.keys, self.split(x), strict=True)), layer)
