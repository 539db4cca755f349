"""Files whose columns are known beforehand, as in a published dataset: read in one pass, in batches.

A source says once which column is which label, in which unit and of which sign, and nothing is guessed.
"""

from __future__ import annotations

import gzip
import itertools
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from ase import Atoms

from atomscape.atoms.ase import from_ase
from atomscape.atoms.columns import Place, columns_of
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
    optional: Collection[str] = (),
    size: int = BATCH,
) -> Iterator[Structures]:
    """Structures of one file (``.gz`` too) with these labels, in batches of ``size``.

    ``name(k, image)`` is the id of the k-th structure; ``prepare`` may correct an image in place first. A
    column that an image lacks is not known there (NaN); one that the whole first batch lacks is an error,
    unless its property is ``optional``.

    Raises
    ------
    ValueError
        The file cannot be read, has no such column, or one does not have the shape of its property; the
        message names file and column.
    """
    images = enumerate(read_frames(path))
    while batch := list(itertools.islice(images, size)):
        for k, image in batch:
            if prepare is not None:
                prepare(image)
            image.info["id"] = name(k, image)
        if batch[0][0] == 0:
            _refuse_missing(path, [c for c in columns if c.property.name not in optional], batch)
        try:
            yield from_ase([image for _, image in batch], LabelMap(tuple(columns), len(batch)))
        except ValueError as error:
            raise ValueError(f"{path}, counted from structure {batch[0][0]}: {error}") from error


def _refuse_missing(path: Path, columns: Sequence[Label], batch: Sequence[tuple[int, Atoms]]) -> None:
    seen = {place_and_key for _, image in batch for place_and_key in columns_of(image)}
    for c in columns:
        if (c.place, c.key) not in seen:
            known = ", ".join(sorted(f"{key} ({place})" for place, key in seen)) or "none"
            raise ValueError(
                f"{path} has no column {c.key!r} ({c.place}) for {c.property.name!r}; it has: {known}"
            )


def numbered(group: str) -> Callable[[int, Atoms], str]:
    """Ids ``group/0``, ``group/1`` …: frames that belong together share what stands before the last slash."""
    return lambda k, image: f"{group}/{k}"


def count_frames(path: Path) -> int:
    """Number of frames of an XYZ file (``.gz`` too), found without reading the atoms' columns."""
    return sum(1 for _ in headers(path))


def headers(path: Path) -> Iterator[str]:
    """The second lines of an XYZ file's frames, where extended XYZ keeps what concerns the whole structure.

    Raises
    ------
    ValueError
        A frame does not begin with its number of atoms.
    """
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        while first := file.readline().strip():
            if not first.isdigit():
                raise ValueError(
                    f"{path} is no XYZ file: {first[:40]!r} where a number of atoms should stand"
                )
            yield file.readline().rstrip("\n")
            for _ in range(int(first)):
                file.readline()


def entries(path: Path, key: str) -> list[str]:
    """The entry ``key=word`` of each frame of an extended XYZ file; empty where a frame has none."""
    pattern = re.compile(rf'(?:^|\s){re.escape(key)}=(?:"([^"]*)"|(\S+))')
    found = (pattern.search(header) for header in headers(path))
    return [(m[1] or m[2] or "") if m else "" for m in found]
