"""Embedding: what every encoder returns. Labelled blocks of irreps, never a bare vector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from atomscape.atoms.structures import Structures
from atomscape.o3.irreps import Irreps
from atomscape.ops.invariants import power_spectrum
from atomscape.ops.segment import segment_mean, segment_sum
from atomscape.shapes import Float, Tensor


@dataclass(frozen=True, eq=False)
class Embedding:
    """Features of atoms at one layer: block ``(l, parity)`` → ``[atoms, 2l+1, channels]``.

    Parity is +1 or −1 (0 where the encoder does not track it, that is in SO(3) mode). ``layers`` holds the
    embedding after every layer, input first, when the encoder was asked for them.
    """

    blocks: Mapping[tuple[int, int], Float[Tensor, "atoms m channels"]]
    layer: str = "last"
    layers: tuple[Embedding, ...] = field(default=(), repr=False)

    @property
    def irreps(self) -> Irreps:
        """Content, for instance ``64x0e+64x1o+64x2e``."""
        return Irreps([(b.shape[-1], (l, p or 1)) for (l, p), b in self.blocks.items()])

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return next(iter(self.blocks.values())).shape[0]

    def degree(self, l: int, parity: int | None = None) -> Float[Tensor, "atoms m channels"]:
        """Block of degree l; the parity may be left out where only one is present.

        Raises
        ------
        KeyError
            No such block, or two parities and none asked for.
        """
        found = [k for k in self.blocks if k[0] == l and parity in (None, k[1])]
        if len(found) != 1:
            raise KeyError(
                f"degree l={l}, parity={parity}: {len(found)} blocks fit; there are {sorted(self.blocks)}"
            )
        return self.blocks[found[0]]

    @property
    def scalars(self) -> Float[Tensor, "atoms channels"]:
        """True scalars (l = 0, even parity), the usual input of a head."""
        key = (0, 1) if (0, 1) in self.blocks else (0, 0)
        return self.blocks[key][:, 0]

    def invariants(self) -> Float[Tensor, "atoms features"]:
        """Rotation- and reflection-invariant features: scalars, then channel-wise squared norms per block.

        Smooth everywhere (squares, no roots). Odd scalars enter squared. Where the encoder does not track
        parity (SO(3) mode), a reflection may change them.
        """
        return torch.cat([self.block_invariants(*k) for k in sorted(self.blocks)], dim=-1)

    def block_invariants(self, l: int, parity: int) -> Float[Tensor, "atoms channels"]:
        """Invariants of one block: the values if they are invariant, else mean squares over m."""
        block = self.blocks[(l, parity)]
        return block[:, 0] if l == 0 and parity != -1 else power_spectrum(block)

    def pooled(self, structures: Structures, how: str = "mean") -> Float[Tensor, "structures features"]:
        """Invariants of atoms pooled over each structure, by ``"mean"`` or ``"sum"``.

        Raises
        ------
        ValueError
            Unknown pooling.
        """
        reduce = {"mean": segment_mean, "sum": segment_sum}.get(how)
        if reduce is None:
            raise ValueError(f"pooling {how!r} is not known; use 'mean' or 'sum'")
        return reduce(self.invariants(), structures.structure, len(structures))
