"""Sizes of the networks that potentials are timed with, equal on both sides, and what peers are told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ase.io import write

from atomscape.atoms.ase import to_ase
from atomscape.atoms.structures import Structures

RADIAL = {"mace": [64, 64, 64], "nequip": [64]}
"""Widths of the hidden layers of the radial network."""

SIZES: dict[str, dict[str, Any]] = {
    "mace": {"l_max": 3, "l_hidden": 1, "correlation": 3, "channels": 64, "layers": 2},
    "nequip": {"l_max": 2, "channels": 32, "layers": 4},
}
SMALL: dict[str, dict[str, Any]] = {
    "mace": {"l_max": 1, "l_hidden": 1, "correlation": 2, "channels": 8, "layers": 2},
    "nequip": {"l_max": 1, "channels": 8, "layers": 2},
}
"""For quick runs."""


def words(kind: str, sizes: Mapping[str, Any]) -> str:
    """Sizes as they stand in a case."""
    return f"{kind} to degree {sizes['l_max']}, {sizes['channels']} channels, {sizes['layers']} layers"


def ours(kind: str, sizes: Mapping[str, Any], cutoff: float, neighbours: float) -> dict[str, Any]:
    """Config of our encoder."""
    radial = {"radial_hidden": RADIAL[kind][0], "radial_layers": len(RADIAL[kind])}
    return {"kind": kind, **sizes, **radial, "cutoff": cutoff, "average_neighbours": neighbours}


def theirs(
    kind: str, sizes: Mapping[str, Any], cutoff: float, neighbours: float, structures: Structures
) -> dict[str, Any]:
    """The same for the peer's process."""
    elements = structures.numbers.unique().tolist()
    told = {"cutoff": cutoff, "neighbours": neighbours, "elements": elements, "scale": 1.0}
    return {**sizes, **told, "radial": RADIAL[kind]}


def write_frames(path: str, structures: Structures) -> None:
    """Extended XYZ with labels where there are any, as ``REF_energy``, ``REF_forces`` and ``REF_stress``.

    Energies have their mean taken away: only the time counts.
    """
    images = to_ase(structures)
    labels = [image.calc.results if image.calc else {} for image in images]
    mean = sum(found.get("energy", 0.0) for found in labels) / max(len(labels), 1)
    for image, found in zip(images, labels, strict=True):
        image.calc = None
        image.info.clear()
        if "energy" in found:
            image.info["REF_energy"] = found["energy"] - mean
            image.arrays["REF_forces"] = found["forces"]
        if "stress" in found:
            image.info["REF_stress"] = found["stress"]
    write(path, images, format="extxyz")
