"""Files whose columns are known beforehand, as in a published dataset: read in one pass, in batches.

A source says once which column is which label, in which unit and of which sign, and nothing is guessed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ase import Atoms

from atomscape.atoms.ase import from_ase
from atomscape.atoms.columns import Place
from atomscape.atoms.labels import Label, LabelMap
from atomscape.atoms.properties import PROPERTIES, Property
from atomscape.atoms.structures import Structures
from atomscape.data.files import read_frames
from atomscape.units import conversion_factor

BATCH = 1024


def column(
    name: str | Property, key: str = "", unit: str = "", place: Place | None = None, sign: float = 1.0
) -> Label:
    """The column ``key`` (default: the property's name) as a label.

    ``unit`` is the file's (empty: the property's own), ``place`` where ASE keeps the column: by default what
    its extxyz reader does, which gives energy, forces, stress, dipole and charges to a calculator.
    """
    prop = PROPERTIES[name] if isinstance(name, str) else name
    key = key or prop.name
    if place is None:
        in_calculator = key in ("energy", "forces", "stress", "dipole", "charges", "magmoms")
        place = "calculator" if in_calculator else "arrays" if prop.per == "atom" else "info"
    factor = conversion_factor(unit, prop.unit) if unit else 1.0
    return Label(prop, place, key, known=0, factor=sign * factor)


def read_columns(
    path: Path,
    columns: Sequence[Label],
    name: Callable[[int, Atoms], str],
    prepare: Callable[[Atoms], None] | None = None,
    size: int = BATCH,
) -> Iterator[Structures]:
    """Structures of one file (``.gz`` too) with these labels, in batches of ``size``.

    ``name(k, image)`` is the id of the k-th structure; ``prepare`` may correct an image in place first. A
    column that an image lacks is not known there (NaN).

    Raises
    ------
    ValueError
        The file cannot be read, or a column does not have the shape of its property; the message names both.
    """
    images = enumerate(read_frames(path))
    while batch := list(itertools.islice(images, size)):
        for k, image in batch:
            if prepare is not None:
                prepare(image)
            image.info["id"] = name(k, image)
        try:
            yield from_ase([image for _, image in batch], LabelMap(tuple(columns), len(batch)))
        except ValueError as error:
            raise ValueError(f"{path}, counted from structure {batch[0][0]}: {error}") from error


def numbered(group: str) -> Callable[[int, Atoms], str]:
    """Ids ``group/0``, ``group/1`` …: frames that belong together share what stands before the last slash."""
    return lambda k, image: f"{group}/{k}"
