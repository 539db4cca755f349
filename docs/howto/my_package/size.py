"""Structures of like size: up to 10 atoms, up to 20, …"""

from collections.abc import Iterable, Iterator

from atomscape.atoms.structures import Structures


def name_groups(batches: Iterable[Structures]) -> Iterator[str]:
    """Range of the number of atoms, for instance ``11-20``."""
    for structures in batches:
        for atoms in structures.counts.tolist():
            tens = (atoms - 1) // 10
            yield f"{10 * tens + 1}-{10 * tens + 10}"
