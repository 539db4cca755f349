"""Crystals of spglib's tests, whose space groups are known from the names of their files.

Read from ``spglib_poscars.zip``, or the archive of spglib's repository: POSCAR files without elements, in
folders by crystal system. The first number in ``cubic/POSCAR-195-2`` is the space group, also in
``virtual_structure/POSCAR-10-221-18``: a crystal of group 221 whose symmetry was broken to its 18th subgroup,
10.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase.data import atomic_numbers

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, FileRecord, records
from atomscape.data.source import first_layout, no_splits
from atomscape.data.zipped import members

COPY, ARCHIVE = "spglib_poscars.zip", "spglib-0c1fca6c.zip"
COMMIT = "0c1fca6c904a2c3a867f1c7c1128546392e5e172"
MEMBER = r"(?:.*/)?(?P<folder>[a-z_]+)/POSCAR-(?P<rest>[^/]+)"
BATCH = 128

card = Card(
    name="symmetry",
    title="Crystals of known space group",
    description="Crystals of all crystal systems, collected for the tests of spglib, and larger cells in "
    "which the symmetry of a simple structure was broken to a subgroup ('virtual_structure'). space_group "
    "is the number in the name of the file. Where a file names no elements, kinds of atoms are numbered as "
    "H, He, Li …: only which atoms are alike means anything, and densities do not. Files of layers and of "
    "more kinds than there are elements are not read.",
    licence="BSD-3-Clause",
    citation="A. Togo, K. Shinohara, I. Tanaka, Sci. Technol. Adv. Mater.: Methods 4, 2384822 (2024)",
    level_of_theory="none: geometries of tests",
    url="https://github.com/spglib/spglib",
    properties=records("space_group"),
    files={ARCHIVE: FileRecord(url=f"https://github.com/spglib/spglib/archive/{COMMIT}.zip")},
    verified="copy: spglib finds the named space group for all that are read; archive of the repository: on "
    "a hand-made one with its folders. The publisher states no checksum.",
)
splits = no_splits


def inputs(folder: Path) -> list[Path]:
    """The copy, else the archive."""
    return first_layout(folder, [COPY], [ARCHIVE])


def read(folder: Path) -> Iterator[Structures]:
    """Crystals, ids '<folder>.<name>', for instance 'cubic.195-2'."""
    crystals = _crystals(inputs(folder)[0])
    while batch := list(itertools.islice(crystals, BATCH)):
        yield Structures.concatenate(batch)


def read_poscar(text: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Atomic numbers [atoms], positions (Å) [atoms, 3] and cell (Å) [3, 3] of a POSCAR with or without
    elements.

    Elements are taken from the line above the counts, else from comments ``# Sn1`` behind the positions, else
    kind k is element k.

    Raises
    ------
    ValueError
        There are more kinds than elements, or the text is no POSCAR.
    """
    lines = text.splitlines()
    try:
        cell = float(lines[1].split()[0]) * np.array([line.split() for line in lines[2:5]], dtype=np.float64)
        named = not lines[5].split()[0].isdigit()
        counts = [int(token) for token in lines[5 + named].split()]
        rows = lines[7 + named : 7 + named + sum(counts)]
        coordinates = np.array([row.split()[:3] for row in rows], dtype=np.float64).reshape(-1, 3)
        direct = lines[6 + named].strip()[0] in "Dd"
    except (IndexError, ValueError) as error:
        raise ValueError(f"not a POSCAR ({error}): {text[:60]!r}") from error
    if len(coordinates) != sum(counts):
        raise ValueError(f"a POSCAR of {sum(counts)} atoms has {len(coordinates)} positions")
    if len(counts) >= len(atomic_numbers):
        raise ValueError(f"{len(counts)} kinds of atoms are more than there are elements")
    kinds = np.repeat(np.arange(len(counts)), counts)
    names = lines[5].split() if named else _commented(rows, kinds)
    table = np.array([atomic_numbers[name] for name in names] if names else np.arange(1, len(counts) + 1))
    return table[kinds], coordinates @ cell if direct else coordinates, cell


def _commented(rows: list[str], kinds: np.ndarray) -> list[str]:
    """Element of each kind from the comments; none where one is missing or two kinds have one element."""
    found = [re.search(r"#\s*([A-Z][a-z]?)", row) for row in rows]
    names = {int(kind): m[1] for kind, m in zip(kinds, found, strict=True) if m and m[1] in atomic_numbers}
    complete = len(names) == len(set(kinds.tolist())) == len(set(names.values()))
    return [names[kind] for kind in sorted(names)] if complete else []


def _crystals(path: Path) -> Iterator[Structures]:
    for match, text in members(path, MEMBER):
        folder, rest = match["folder"], match["rest"]
        if folder == "layer" or not re.search(r"\d", rest):
            continue
        try:
            numbers, positions, cell = read_poscar(text)
        except ValueError as error:
            if "more than there are elements" in str(error):
                continue
            raise ValueError(f"{path}, {match[0]}: {error}") from error
        label = {"space_group": int(rest.split("-")[0])}
        yield Structures.of(positions, numbers, cell, labels=label, id=f"{folder}.{rest}")
