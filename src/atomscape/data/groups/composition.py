"""Structures of one reduced formula: polymorphs, supercells, conformers and frames of one substance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from atomscape.atoms.formulas import reduced_formulas
from atomscape.atoms.structures import Structures


def name_groups(batches: Iterable[Structures]) -> Iterator[str]:
    """Reduced formula of each structure."""
    for structures in batches:
        yield from reduced_formulas(structures)
