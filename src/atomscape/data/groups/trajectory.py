"""Frames of one trajectory, reaction, path or workflow: ids that agree up to their last ``/``."""

from __future__ import annotations

from atomscape.atoms.structures import Structures


def name_groups(structures: Structures) -> list[str]:
    """Part of each id before its last ``/``; the whole id where it has none."""
    return [group or frame for group, _, frame in (i.rpartition("/") for i in structures.ids)]
