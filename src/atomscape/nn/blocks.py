"""Which block of an embedding serves an irrep, also where the encoder does not track parity.

An encoder that does not track parity (SO(3) mode) states all its degrees as even and keeps them under parity
0; any of them serves an irrep by its degree.
"""

from __future__ import annotations

from atomscape.nn.embedding import Embedding
from atomscape.o3.irreps import Irrep, Irreps
from atomscape.shapes import Float, Tensor


def serving(ir: Irrep, irreps: Irreps) -> Irrep | None:
    """Irrep of the encoder that serves one of a property; None where there is none."""
    if ir in irreps:
        return ir
    untracked = irreps.l_max > 0 and all(block.p == 1 for _, block in irreps)
    alike = Irrep(ir.l, 1)
    return alike if untracked and alike in irreps else None


def channels_of(ir: Irrep, irreps: Irreps) -> int:
    """Channels of the block that serves an irrep; 0 where there is none."""
    return sum(n for n, block in irreps if block == serving(ir, irreps))


def block_of(embedding: Embedding, ir: Irrep) -> Float[Tensor, "atoms m channels"]:
    """Block that serves an irrep."""
    return embedding.blocks[(ir.l, ir.p) if (ir.l, ir.p) in embedding.blocks else (ir.l, 0)]
