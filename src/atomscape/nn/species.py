"""Species embedding: chemical elements as vectors."""

from __future__ import annotations

from torch import nn

from atomscape.shapes import Float, Int, Tensor

N_ELEMENTS = 119  # row 0 is unused: rows are atomic numbers


class SpeciesEmbedding(nn.Module):
    """One learned vector per element."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.table = nn.Embedding(N_ELEMENTS, channels)

    def forward(self, numbers: Int[Tensor, " atoms"]) -> Float[Tensor, "atoms channels"]:
        """Look up the elements of atoms."""
        return self.table(numbers)
