"""Open Catalyst's LMDB files: rows of PyTorch Geometric's ``Data``, kept as pickles.

IS2RE and IS2RS are ``data.lmdb``, S2EF is several ``data.NNNN.lmdb``. A file lies in the folder of its split,
``…/SIZE/SPLIT/``, as in ``is2re/all/val_id/data.lmdb``; a smaller training set is a part of the larger ones.
Rows are read by ``atomscape.data.unpickle``, which calls nothing that they name; it takes those of PyTorch
Geometric before its version 2, whose objects hold their tensors themselves, and those since.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from atomscape.data.foreign_rows import members
from atomscape.data.lmdb_files import numbered_keys, opened
from atomscape.data.rows import Row
from atomscape.data.unpickle import unpickled

RELAXATIONS, FRAMES = r"data\.lmdb", r"data\.\d+\.lmdb"
"""Names of the files of IS2RE and IS2RS, and of S2EF."""

SIZES = ("all", "20M", "2M", "200k", "200K", "100k", "10k")
"""Folders of the training sets, the largest first."""

FIRST = 256
"""Rows of a file that are looked at before the first is given out."""

TOTAL = -1.0
"""eV per atom: adsorption does not bind so strongly, and half of a file's total energies are far below (those
of 24 relaxations are -1.4 to -8.3)."""


def split_files(folder: Path, name: str) -> dict[str, list[Path]]:
    """Files whose name matches, by their split: training first, and of several sizes only the largest.

    Those that lie in ``folder`` itself have the split ``""``.
    """
    found: dict[str, dict[int, list[Path]]] = {}
    for path in sorted(folder.rglob("*.lmdb")):
        if re.fullmatch(name, path.name) and path.is_file():
            split, rank = _split(folder, path)
            found.setdefault(split, {}).setdefault(rank, []).append(path)
    order = sorted(found, key=lambda split: (not split.startswith("train"), split))
    return {split: found[split][min(found[split])] for split in order}


def split_rows(files: Mapping[str, Sequence[Path]]) -> dict[str, np.ndarray]:
    """Numbers of the rows of each split, where the splits are read one after the other."""
    start, rows = 0, {}
    for split, paths in files.items():
        stop = start + sum(map(_count, paths))
        rows[split] = np.arange(start, stop)
        start = stop
    rows.pop("", None)
    return rows


def first_frames(path: Path) -> Iterator[Row]:
    """Rows of a file of IS2RE and IS2RS, ids ``random<sid>/0``; the displacements are those to the end.

    Raises
    ------
    ImportError
        The package ``lmdb`` is not installed.
    UnsafePickle
        A row wants to run something.
    ValueError
        A row has no structure or no system, or the energies are totals.
    """
    yield from _referenced(path, _rows(path, _first_frame), "relaxed_adsorption_energy")


def frames(path: Path) -> Iterator[Row]:
    """Rows of a file of S2EF, ids ``random<sid>/<fid>``: from the row, else from ``data_log.NNNN.txt``.

    Raises
    ------
    ImportError, UnsafePickle, ValueError
        As for ``first_frames``.
    """
    log = path.with_name(path.name.replace("data.", "data_log.", 1)).with_suffix(".txt")
    lines = iter(log.read_text().split() if log.is_file() else ())
    rows = _rows(path, lambda held: _frame(held, log.name, next(lines, "")))
    yield from _referenced(path, rows, "adsorption_energy")


def shortest(way: torch.Tensor, cell: torch.Tensor) -> torch.Tensor:
    """The shortest of the ways [atoms, 3] that differ by vectors of the lattice ``cell`` [3, 3], in its unit.

    Fractions of the cell's edges are rounded: exact for ways shorter than half its smallest thickness.
    """
    fractions = torch.linalg.solve(cell, way, left=False)
    return (fractions - fractions.round()) @ cell


def _split(folder: Path, path: Path) -> tuple[str, int]:
    above = path.parent
    if above == folder:
        return "", 0
    if above.parent.name in SIZES:
        return above.name, SIZES.index(above.parent.name)
    return above.relative_to(folder).as_posix(), 0


def _count(path: Path) -> int:
    with opened(path) as transaction:
        return len(numbered_keys(transaction))


def _rows(path: Path, made: Callable[[Mapping[str, Any]], Row]) -> Iterator[Row]:
    """Rows, made of what the file's hold by name, in the order of their numbers."""
    with opened(path) as transaction:
        for key in numbered_keys(transaction):
            held = members(unpickled(transaction.get(str(key).encode())))
            try:
                yield made(held)
            except ValueError as error:
                raise ValueError(f"row {key} of {path} {error}") from error


def _frame(held: Mapping[str, Any], log: str, line: str) -> Row:
    if "sid" in held and "fid" in held:
        name = f"{_system(held)}/{_whole(held['fid'])}"
    elif re.fullmatch(r"[^,]+,frame\d+", line):
        name = "/".join(line.split(",frame"))
    else:
        raise ValueError(
            f"has no sid and fid, and no line of {log} beside the file names its system and frame; copy that "
            "file too: it was written together with this one"
        )
    return _row(name, held, adsorption_energy=held.get("y", held.get("energy")))


def _first_frame(held: Mapping[str, Any]) -> Row:
    energies = {"adsorption_energy": held.get("y_init"), "relaxed_adsorption_energy": held.get("y_relaxed")}
    row = _row(f"{_system(held)}/0", held, **energies)
    if "pos_relaxed" not in held:
        return row
    way = torch.from_numpy(_numbers(held["pos_relaxed"]) - row.positions)
    return replace(row, labels={**row.labels, "displacements": shortest(way, torch.from_numpy(row.cell))})


def _row(name: str, held: Mapping[str, Any], **energies: Any) -> Row:
    missing = [part for part in ("pos", "atomic_numbers", "cell") if part not in held]
    if missing:
        raise ValueError(f"has no {', '.join(missing)}; it has {', '.join(held) or 'nothing'}")
    numbers = np.rint(_numbers(held["atomic_numbers"])).astype(np.int64)
    cell = _numbers(held["cell"]).reshape(3, 3)
    marks = {mark: held.get(mark) for mark in ("fixed", "tags")}
    forces = held.get("force", held.get("forces"))
    return Row(name, numbers, _numbers(held["pos"]), cell, {"forces": forces, **marks, **energies})


def _numbers(values: Any) -> np.ndarray:
    return np.asarray(values, dtype=np.float64)


def _system(held: Mapping[str, Any]) -> str:
    """The name that the trajectories have, ``random123``; rows keep its number."""
    if "sid" not in held:
        raise ValueError("has no sid, the number of its system")
    sid = held["sid"]
    return sid if isinstance(sid, str) and not sid.isdigit() else f"random{_whole(sid)}"


def _whole(value: Any) -> int:
    return int(np.asarray(value).reshape(-1)[0])


def _referenced(path: Path, rows: Iterator[Row], name: str) -> Iterator[Row]:
    """The rows, once the first have shown that their energies are those of adsorption.

    Raises
    ------
    ValueError
        They are total energies, as in files made without ``--ref-energy``, and in those of OC22.
    """
    first = list(itertools.islice(rows, FIRST))
    known = [(float(_numbers(v).reshape(-1)[0]), r) for r in first if (v := r.labels.get(name)) is not None]
    if known and median(energy / len(row.numbers) for energy, row in known) < TOTAL:
        energy, row = known[0]
        raise ValueError(
            f"{path} has total energies, {energy:.1f} eV for the {len(row.numbers)} atoms of {row.id}, where "
            "OC20 has energies of adsorption: it was made without --ref-energy, or is of another dataset. "
            f"Read it as a file: atomscape data convert {path.name} STORE --trust"
        )
    yield from itertools.chain(first, rows)
