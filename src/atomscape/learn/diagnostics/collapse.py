"""Feature collapse: how many directions the channels of a degree l fill, how strong they are, which are dead.

With features x[a, m, c] of atoms a, the Gram matrix of the channels of one degree

    G[c, c'] = ⟨x[a, m, c] x[a, m, c']⟩ over atoms and m

does not change when structures turn. Scalars have their mean over atoms taken off first; that of l > 0 is
zero over all orientations. The participation ratio (tr G)² / tr G² counts directions: it is the number of
channels where all are alike and independent, and 1 where all channels say the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from atomscape.nn.embedding import Embedding
from atomscape.shapes import Float, Tensor

DEAD = 1e-8
"""Below this share of the mean square of the strongest channel a channel is dead."""
SILENT = 1e-10
"""Below this share of the mean square of the layer's scalars a degree carries no signal."""
FEW = 1.2
"""Directions from which on channels, eight or more, have not collapsed."""


@dataclass(frozen=True)
class Spread:
    """One degree of one layer: mean square of a component, directions, share of dead channels."""

    layer: str
    degree: int
    parity: int
    channels: int
    mean_square: float
    directions: float
    dead: float


@torch.no_grad()
def spreads(embedding: Embedding) -> list[Spread]:
    """Spread of every degree of every layer but the first, which holds what entered."""
    return [
        _spread(layer.layer, l, parity, block)
        for layer in embedding.layers[1:]
        for (l, parity), block in sorted(layer.blocks.items())
    ]


def _spread(layer: str, l: int, parity: int, block: Float[Tensor, "atoms m channels"]) -> Spread:
    x = block.double()
    power = x.square().mean((0, 1))
    centred = x - x.mean(0) if l == 0 else x
    flat = centred.flatten(0, 1)
    gram = flat.t() @ flat / max(1, len(flat))
    trace, square = float(gram.trace()), float(gram.square().sum())
    directions = trace**2 / square if square > 0 else 0.0
    dead = float((power <= DEAD * power.max()).double().mean())
    return Spread(layer, l, parity, x.shape[-1], float(power.mean()), directions, dead)


def in_words(found: list[Spread]) -> list[str]:
    """What is worth a look, as sentences."""
    scalars = {s.layer: s.mean_square for s in found if s.degree == 0}
    said = []
    for s in found:
        who = f"degree {s.degree} of {s.layer}"
        if s.mean_square <= SILENT * max(scalars.get(s.layer, 0.0), 1e-30):
            said.append(f"{who} carries no signal")
        elif s.channels >= 8 and s.directions < FEW:
            said.append(f"{who} has collapsed: its {s.channels} channels fill {s.directions:.1f} directions")
        elif s.dead >= 0.5:
            said.append(f"{who}: {100 * s.dead:.0f} % of its {s.channels} channels are dead")
    return said
