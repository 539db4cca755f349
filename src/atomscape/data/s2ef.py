"""OC20's S2EF files as published: pairs ``N.extxyz.xz`` and ``N.txt.xz``, in a tar file or unpacked.

The first holds frames with total energies and forces; line k of the second says of frame k its system, its
number in the trajectory and the energy of slab plus free adsorbate, ``random2281094,frame12,-145.17``. All is
read frame by frame; nothing is unpacked to disk.
"""

from __future__ import annotations

import io
import itertools
import lzma
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, cast

import ase.io
import numpy as np
from ase import Atoms
from ase.constraints import FixAtoms

from atomscape.atoms.ase import from_ase
from atomscape.atoms.labels import Label, LabelMap
from atomscape.atoms.structures import Structures

FRAMES, NOTES = ".extxyz.xz", ".txt.xz"

Open = Callable[[], IO[bytes]]


def s2ef_pairs(path: Path) -> Iterator[tuple[str, Open, Open]]:
    """Name, frames and notes of each pair in a tar file or a folder and below it, by their numbers.

    Raises
    ------
    ValueError
        Frames have no notes beside them, or there are none.
    """
    if path.is_dir():
        found = {str(p.relative_to(path)): p for p in path.rglob("*.xz")}
        yield from _paired(path, {name: _opener(p) for name, p in found.items()})
        return
    with tarfile.open(path) as tar:
        found = {m.name: m for m in tar if m.isfile()}
        yield from _paired(path, {name: _extractor(tar, m) for name, m in found.items()})


def read_pair(
    name: str, frames: Open, notes: Open, columns: Sequence[Label], size: int
) -> Iterator[Structures]:
    """Frames of one pair in batches; the label ``adsorption_energy`` is the total energy minus the reference.

    Raises
    ------
    ValueError
        The two files have different lengths, or a line cannot be read.
    """
    with frames() as a, notes() as b, lzma.open(a) as packed, lzma.open(b) as packed_lines:
        text, lines = io.TextIOWrapper(packed), io.TextIOWrapper(packed_lines)
        rows = itertools.zip_longest(map(parsed_frame, frame_texts(text)), lines)
        while batch := list(itertools.islice(rows, size)):
            try:
                yield from_ase([_noted(*row) for row in batch], LabelMap(tuple(columns), len(batch)))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error


def frame_texts(text: io.TextIOBase) -> Iterator[str]:
    """Frames of an extended XYZ text as they stand there, one in memory at a time.

    Raises
    ------
    ValueError
        The text ends within a frame.
    """
    while first := text.readline().strip():
        lines = list(itertools.islice(text, int(first) + 1))
        if len(lines) != int(first) + 1:
            raise ValueError(f"the file ends within a frame of {first} atoms")
        yield "".join([f"{first}\n", *lines])


def parsed_frame(text: str) -> Atoms:
    """One frame of extended XYZ as ASE reads it."""
    return cast(Atoms, ase.io.read(io.StringIO(text), format="extxyz"))


def marks_to_columns(image: Atoms) -> None:
    """Make columns of what ASE keeps elsewhere: atoms held fixed (from ``move_mask``), and tags."""
    fixed = np.zeros(len(image))
    for constraint in image.constraints:
        if isinstance(constraint, FixAtoms):
            fixed[constraint.get_indices()] = 1.0
    image.set_constraint()
    image.set_array("fixed", fixed)
    tags_to_column(image)


def tags_to_column(image: Atoms) -> None:
    """Copy the tags; where all are 0, slab and adsorbate alike, they are not known (NaN)."""
    tags = image.get_tags().astype(np.float64)
    image.set_array("surface_tags", tags if tags.any() else np.full(len(image), np.nan))


def _noted(image: Atoms | None, line: str | None) -> Atoms:
    if image is None or not (line and line.strip()):
        raise ValueError("the frames and the lines about them are not equally many")
    system, frame, reference = line.strip().split(",")
    marks_to_columns(image)
    image.info["id"] = f"{system}/{int(frame.removeprefix('frame'))}"
    image.info["adsorption_energy"] = image.calc.results["energy"] - float(reference)  # pyright: ignore[reportOptionalMemberAccess]
    return image


def _paired(path: Path, opens: dict[str, Open]) -> Iterator[tuple[str, Open, Open]]:
    names = sorted((n for n in opens if n.endswith(FRAMES)), key=_number)
    if not names:
        raise ValueError(f"{path} holds no *{FRAMES}; it is not S2EF as published")
    for name in names:
        notes = name.removesuffix(FRAMES) + NOTES
        if notes not in opens:
            raise ValueError(f"{path}: {name} stands without {notes}")
        yield name, opens[name], opens[notes]


def _number(name: str) -> tuple[int, str]:
    stem = name.rsplit("/", 1)[-1].removesuffix(FRAMES)
    return (int(stem) if stem.isdigit() else 0, name)


def _opener(path: Path) -> Open:
    return lambda: path.open("rb")


def _extractor(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Open:
    return lambda: cast(IO[bytes], tar.extractfile(member))
