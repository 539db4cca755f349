"""Crystals as CDVAE publishes them: three CSV files with the columns ``material_id``, ``cif`` and labels.

Beside them, the same crystals as packed lines of JSON with ``material_id split lattice frac`` (``species``).
"""

from __future__ import annotations

import csv
import gzip
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import atomic_numbers

from atomscape.atoms.structures import Structures
from atomscape.data.card import FileRecord
from atomscape.data.cif import read_p1
from atomscape.data.json_lines import json_lines
from atomscape.data.packed import cells_from_parameters, packed_batches

PARTS = ("train", "val", "test")
FILES = tuple(f"{part}.csv" for part in PARTS)

Labels = Callable[[Mapping[str, Any], int], Mapping[str, float]]
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


def read_lines(
    path: Path, labels: Labels, element: int | None = None, size: int = 4096
) -> Iterator[Structures]:
    """Crystals of packed lines of JSON in batches; lines without ``species`` are all of ``element``."""
    lines = json_lines(path)
    while rows := list(itertools.islice(lines, size)):
        counts = np.array([len(row["frac"]) for row in rows])
        numbers = [_numbers(row) if element is None else [element] * len(row["frac"]) for row in rows]
        cell = np.array([row["lattice"] for row in rows], dtype=np.float64)
        values = [labels(row, n) for row, n in zip(rows, counts.tolist(), strict=True)]
        yield from packed_batches(
            counts,
            np.concatenate(numbers),
            cartesian(np.concatenate([row["frac"] for row in rows]), counts, cell),
            cell,
            {name: np.array([v[name] for v in values]) for name in values[0]},
            [row["material_id"] for row in rows],
        )


def splits_of(paths: Sequence[Path]) -> dict[str, np.ndarray]:
    """Rows of train, val and test: three CSV files one after the other, or by the ``split`` of each line."""
    if ".csv" not in paths[0].name:
        part = np.array([row["split"] for row in json_lines(paths[0])])
        return {name: np.flatnonzero(part == name) for name in PARTS}
    ends = np.cumsum([0] + [sum(1 for _ in csv_rows(path)) for path in paths])
    return {part: np.arange(ends[k], ends[k + 1]) for k, part in enumerate(PARTS)}


def csv_rows(path: Path) -> Iterator[dict[str, str]]:
    """Rows of a CSV file (``.gz`` too) by the names in its first line."""
    with gzip.open(path, "rt", newline="") if path.suffix == ".gz" else path.open(newline="") as file:
        yield from csv.DictReader(file)


def cartesian(fractions: np.ndarray, counts: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Positions in Å of packed fractional coordinates."""
    return np.einsum("ai,aij->aj", fractions, cell[np.repeat(np.arange(len(counts)), counts)])


def _numbers(row: Mapping[str, Any]) -> list[int]:
    return [atomic_numbers[symbol] for symbol in row["species"]]
