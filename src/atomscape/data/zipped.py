"""Structures from the members of a zip file, read one after the other without unpacking to disk.

Archives of a repository and copies with other folders hold the same members, so these are chosen by a pattern
for their path. What cannot be a ``Structures`` (disordered crystals, dialects that ASE does not read) comes
out as ``LeftOut`` with the reason, in the same order, so that a source can count it.
"""

from __future__ import annotations

import io
import itertools
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import ase.io
from ase import Atoms
from ase.neighborlist import neighbor_list

from atomscape.atoms.ase import from_ase
from atomscape.atoms.labels import LabelMap
from atomscape.atoms.structures import Structures
from atomscape.data.cif import read_p1
from atomscape.data.cif_symmetry import read_expanded
from atomscape.data.packed import cells_from_parameters
from atomscape.shapes import Tensor

BATCH = 256
CLOSEST = 0.6
"""Å: no two atoms are closer; H–H in H₂ is 0.74."""

_GROUP = re.compile(r"^_(?:symmetry_)?space_group_name_H-M(?:_alt)?\s+['\"]?([^'\"\n]+)", re.MULTILINE)

Labels = Callable[[re.Match[str], Structures], Mapping[str, Tensor]]
"""From a member's path, as matched, and its structure to labels."""


@dataclass(frozen=True)
class LeftOut:
    """A member that gives no structure, and why."""

    id: str
    why: str


def members(path: Path, pattern: str) -> Iterator[tuple[re.Match[str], str]]:
    """Matched paths and texts of the members whose whole path matches, in the order of their paths.

    Raises
    ------
    ValueError
        The file is no zip file, or no member matches.
    """
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path} is not a zip file ({error}); download it again") from error
    with archive:
        found = [m for name in sorted(archive.namelist()) if (m := re.fullmatch(pattern, name))]
        if not found:
            raise ValueError(f"{path} has no member like {pattern}; it has {archive.namelist()[:3]} …")
        for match in found:
            yield match, archive.read(match[0]).decode("utf-8", errors="replace")


def read_zip(path: Path, pattern: str, format_: str, labels: Labels | None = None) -> Iterator[Structures]:
    """Structures of all members that can be read, in batches.

    ``pattern`` has a group called ``id``; ``format_`` is ASE's name of the members' format.
    """
    kept = (x for x in each_member(path, pattern, format_, labels) if isinstance(x, Structures))
    while batch := list(itertools.islice(kept, BATCH)):
        yield Structures.concatenate(batch)


def left_out(path: Path, pattern: str, format_: str) -> dict[str, str]:
    """Ids of the members that ``read_zip`` leaves out, and why."""
    return {x.id: x.why for x in each_member(path, pattern, format_) if isinstance(x, LeftOut)}


def each_member(
    path: Path, pattern: str, format_: str, labels: Labels | None = None
) -> Iterator[Structures | LeftOut]:
    """Every member as one structure with its id and labels, or as what is left out."""
    for match, text in members(path, pattern):
        try:
            image = _parsed(text, format_)
            image.info["id"] = match["id"]
            one = from_ase([image], LabelMap((), 1))
            _refuse_overlap(image)
        except ValueError as error:
            yield LeftOut(match["id"], str(error))
            continue
        yield one.with_labels(**(labels(match, one) if labels else {}))


def _refuse_overlap(image: Atoms) -> None:
    """Crystals whose disorder is not written as occupancies have several places of an atom all filled."""
    distances = neighbor_list("d", image, CLOSEST)
    if len(distances):
        raise ValueError(f"two atoms are {distances.min():.2f} Å apart")


def _parsed(text: str, format_: str) -> Atoms:
    """Read with ASE, whose readers raise whatever their parsing meets; large P1 cells without it, in no time.

    Of CIFs the listed operations count; ASE takes those of the group's name, also where the origin is
    another.

    Raises
    ------
    ValueError
        The text cannot be read.
    """
    if format_ == "cif" and (name := _GROUP.search(text)) and name[1].replace(" ", "") == "P1":
        numbers, fractions, parameters = read_p1(text)
        cell = cells_from_parameters(parameters[None])[0]
        return Atoms(numbers, fractions @ cell, cell=cell, pbc=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if format_ == "cif" and (crystal := read_expanded(text)) is not None:
                return crystal
            return cast(Atoms, ase.io.read(io.StringIO(text), format=format_))
    except ValueError:
        raise
    except Exception as error:
        raise ValueError(f"ASE does not read it as {format_}: {type(error).__name__}: {error}") from error
