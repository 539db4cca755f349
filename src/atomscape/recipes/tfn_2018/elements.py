"""Elements as classes: the published network knows the few that it was trained on, as one-hot vectors."""

from __future__ import annotations

import torch
from ase.data import chemical_symbols

from atomscape.nn.species import N_ELEMENTS, numbers_of
from atomscape.shapes import Int, Tensor


def class_table(elements: tuple[str, ...]) -> Int[Tensor, " elements"]:
    """Class of each atomic number, −1 where it is none of the ``elements``."""
    table = torch.full((N_ELEMENTS,), -1)
    table[numbers_of(elements)] = torch.arange(len(elements))
    return table


def classes_of(numbers: Int[Tensor, " atoms"], table: Int[Tensor, " elements"]) -> Int[Tensor, " atoms"]:
    """Class of each atom.

    Raises
    ------
    ValueError
        An atom's element has no class.
    """
    found = table[numbers]
    if bool((found < 0).any()):
        strange = sorted({chemical_symbols[z] for z in numbers[found < 0].tolist()})
        known = [chemical_symbols[z] for z in (table >= 0).nonzero().flatten().tolist()]
        raise ValueError(
            f"this network knows the elements {', '.join(known)}; there is {', '.join(strange)}. "
            "Name all elements of the data in elements, of the encoder and of the head"
        )
    return found
