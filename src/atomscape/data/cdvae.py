"""Crystals as CDVAE publishes them: three CSV files with the columns ``material_id``, ``cif`` and labels."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from atomscape.atoms.structures import Structures
from atomscape.data.card import FileRecord
from atomscape.data.cif import read_p1
from atomscape.data.packed import cells_from_parameters, packed_batches

PARTS = ("train", "val", "test")
FILES = tuple(f"{part}.csv" for part in PARTS)

Labels = Callable[[Mapping[str, str], int], Mapping[str, float]]
"""From a row of the table and the crystal's number of atoms to labels in the units of the house."""


def published(dataset: str) -> dict[str, FileRecord]:
    """The three files of a dataset in CDVAE's repository; no checksum is stated there."""
    root = f"https://raw.githubusercontent.com/txie-93/cdvae/main/data/{dataset}"
    return {file: FileRecord(url=f"{root}/{file}") for file in FILES}


def read_csv(path: Path, labels: Labels, size: int = 4096) -> Iterator[Structures]:
    """Crystals of one file in batches of ``size``.

    Raises
    ------
    ValueError
        A row cannot be read; the message names the file and the crystal.
    """
    rows = csv_rows(path)
    while batch := list(itertools.islice(rows, size)):
        crystals, values = [], []
        for row in batch:
            try:
                crystals.append(read_p1(row["cif"]))
                values.append(labels(row, len(crystals[-1][0])))
            except (ValueError, KeyError) as error:
                raise ValueError(f"{path}, {row.get('material_id')}: {error}") from error
        counts = np.array([len(numbers) for numbers, _, _ in crystals])
        cell = cells_from_parameters(np.stack([parameters for _, _, parameters in crystals]))
        yield from packed_batches(
            counts,
            np.concatenate([numbers for numbers, _, _ in crystals]),
            cartesian(np.concatenate([fractions for _, fractions, _ in crystals]), counts, cell),
            cell,
            {name: np.array([v[name] for v in values]) for name in values[0]},
            [row["material_id"] for row in batch],
        )


def splits_of(paths: Sequence[Path]) -> dict[str, np.ndarray]:
    """Rows of train, val and test, in the order of the files."""
    ends = np.cumsum([0] + [sum(1 for _ in csv_rows(path)) for path in paths])
    return {part: np.arange(ends[k], ends[k + 1]) for k, part in enumerate(PARTS)}


def csv_rows(path: Path) -> Iterator[dict[str, str]]:
    """Rows of a CSV file by the names in its first line."""
    with path.open(newline="") as file:
        yield from csv.DictReader(file)


def cartesian(fractions: np.ndarray, counts: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Positions in Å of packed fractional coordinates."""
    return np.einsum("ai,aij->aj", fractions, cell[np.repeat(np.arange(len(counts)), counts)])
