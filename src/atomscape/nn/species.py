"""Species embedding: chemical elements as vectors, learned, and starting from the periodic table."""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources

import torch
from torch import nn

from atomscape.find import suggest
from atomscape.shapes import Float, Int, Tensor

N_ELEMENTS = 119  # row 0 is unused: rows are atomic numbers


@cache
def element_descriptors() -> Float[Tensor, "elements descriptors"]:
    """Standardised descriptors of each element, float64; row 0 and unknown entries are 0.

    Period, group, valence electrons in s, p, d and f, covalent radius, electronegativity, and (group, period)
    once more as smooth periodic functions of the group. Data and sources: ``elements.csv``,
    ``scripts/make_elements.py``.
    """
    rows = _table()
    columns = ("period", "group", "s", "p", "d", "f", "covalent_radius", "electronegativity")
    raw = torch.tensor([[float(r[c] or "nan") for c in columns] for r in rows], dtype=torch.float64)
    turn = 2 * torch.pi * raw[:, 1:2] / 18
    raw = torch.cat([raw, turn.sin(), turn.cos()], 1)
    mean = raw.nanmean(0)
    deviation = (raw - mean).square().nanmean(0).sqrt()
    known = torch.nan_to_num((raw - mean) / deviation, nan=0.0)
    return torch.cat([known.new_zeros(1, known.shape[1]), known])


@cache
def covalent_radii() -> Float[Tensor, " elements"]:
    """Covalent radius of each element in Å, float64; 0 in row 0."""
    return torch.tensor([0.0, *(float(r["covalent_radius"]) for r in _table())], dtype=torch.float64)


def numbers_of(symbols: tuple[str, ...]) -> list[int]:
    """Atomic numbers of elements.

    Raises
    ------
    ValueError
        A symbol is of no element, or stands twice.
    """
    known = [r["symbol"] for r in _table()]
    for s in symbols:
        if s not in known:
            raise ValueError(f"{s!r} is no chemical element{suggest(s, known)}")
    if len(set(symbols)) < len(symbols):
        raise ValueError(f"elements are named once each; given {', '.join(symbols)}")
    return [known.index(s) + 1 for s in symbols]


def _table() -> list[dict[str, str]]:
    with resources.files("atomscape.nn").joinpath("elements.csv").open() as f:
        return list(csv.DictReader(f))


class SpeciesEmbedding(nn.Module):
    """``table[Z] + W descriptors[Z]``: like elements start close and part as the data demand."""

    descriptors: Float[Tensor, "elements descriptors"]

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.table = nn.Embedding(N_ELEMENTS, channels)
        descriptors = element_descriptors()
        self.register_buffer("descriptors", descriptors.to(self.table.weight.dtype), persistent=False)
        self.mix = nn.Linear(descriptors.shape[1], channels, bias=False)

    def forward(self, numbers: Int[Tensor, " atoms"]) -> Float[Tensor, "atoms channels"]:
        """Vectors of the elements of atoms."""
        return self.table(numbers) + self.mix(self.descriptors[numbers])
