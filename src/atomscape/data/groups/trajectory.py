"""Frames of one trajectory, reaction, path or workflow: ids that agree up to their last ``/``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from atomscape.atoms.structures import Structures


def name_groups(batches: Iterable[Structures]) -> Iterator[str]:
    """Part of each id before its last ``/``; the whole id where it has none."""
    for structures in batches:
        for group, _, frame in (i.rpartition("/") for i in structures.ids):
            yield group or frame
