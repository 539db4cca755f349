"""HDF5: our own flat layout, and groups of conformers as ANI, SPICE and their kin keep them.

Ours, written and read: ``numbers`` [atoms], ``positions`` [atoms, 3], ``offsets`` [structures + 1], ``cell``
[structures, 3, 3], ``pbc`` [structures, 3], ``id`` [structures] and ``labels/NAME``, one row per atom or
structure, with the attribute ``unit``; the file's attribute ``atomscape`` describes them.

Read besides: any group with ``coordinates`` or ``conformations`` [conformers, atoms, 3] and ``species`` or
``atomic_numbers``. Datasets whose first axis is the conformers' are labels, attributes ``units`` are heeded,
and gradients become forces.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card
from atomscape.data.described import KEY, arrays_of, described, description, ids_of, properties_in
from atomscape.data.foreign_rows import NUMBERS, atoms_of
from atomscape.data.format import Piece
from atomscape.data.hdf5_files import is_hdf5, opened
from atomscape.data.reading import Reading
from atomscape.units import conversion_factor

title = "HDF5: flat arrays, and groups of conformers (ANI, SPICE)"
suffixes = (".h5", ".hdf5", ".hdf")
trust = False
ROWS = 4096
CONFORMERS = ("coordinates", "conformations", "positions")


def inputs(path: Path) -> list[Path]:
    """The file, if its first bytes are HDF5's."""
    return [path] if is_hdf5(path) else []


def pieces(path: Path) -> list[Piece]:
    """Ranges of structures of a flat file; of groups, ranges of groups."""
    with opened(path) as file:
        n = len(file["offsets"]) - 1 if "offsets" in file else len(_groups(file))
        if "offsets" in file:
            return [Piece(path, a, min(a + ROWS, n), a) for a in range(0, max(1, n), ROWS)]
        counts = [len(file[name][_conformers(file[name])]) for name in _groups(file)]
    firsts = np.cumsum([0, *counts])
    step = max(1, ROWS * n // max(1, int(firsts[-1])))
    return [Piece(path, a, min(a + step, n), int(firsts[a])) for a in range(0, max(1, n), step)]


def rows(piece: Piece, reading: Reading) -> Iterator[Atoms]:
    """Structures of a range."""
    with opened(piece.path) as file:
        if "offsets" in file:
            yield from _flat(file, piece)
            return
        names = _groups(file)[piece.start : piece.stop]
        if not names:
            raise ValueError(
                f"no structures found: neither 'offsets' nor a group with one of {', '.join(CONFORMERS)} and "
                f"one of {', '.join(NUMBERS[:3])}, species; the file has {', '.join(list(file)[:8])}"
            )
        for name in names:
            yield from _group(file[name], name)


def write(path: Path, batches: Iterable[Structures], card: Card) -> None:
    """Write the flat layout, a batch at a time."""
    first = atoms = 0
    properties = {}
    with opened(path, "w") as file:
        _append(file, "offsets", np.zeros(1, np.int64))
        for batch in batches:
            if first == 0:
                properties = properties_in(card, batch)
                file.attrs[KEY] = description(properties, card)
            for name, array in arrays_of(batch, properties).items():
                place = f"labels/{name}" if name in properties else name
                _append(file, place, array)
                if name in properties:
                    file[place].attrs["unit"] = properties[name].unit
            _append(file, "id", np.array(ids_of(batch, first), dtype=object))
            _append(file, "offsets", atoms + batch.offsets.numpy()[1:])
            first, atoms = first + len(batch), atoms + batch.n_atoms


def _append(file: Any, name: str, array: np.ndarray) -> None:
    """Add rows to a dataset, made when it is first needed."""
    if name not in file:
        import h5py

        kind = h5py.string_dtype() if array.dtype == object else array.dtype
        width = max(1, int(np.prod(array.shape[1:])))
        chunk = (max(1, 2**16 // width), *array.shape[1:])
        file.create_dataset(
            name, (0, *array.shape[1:]), kind, chunks=chunk, maxshape=(None, *array.shape[1:])
        )
    held = file[name]
    n = len(held)
    held.resize(n + len(array), axis=0)
    held[n:] = array


def _flat(file: Any, piece: Piece) -> Iterator[Atoms]:
    told = described(file.attrs.get(KEY))
    bounds = file["offsets"][piece.start : (piece.stop or len(file["offsets"]) - 1) + 1]
    atoms = slice(int(bounds[0]), int(bounds[-1]))
    here = slice(piece.start, piece.start + len(bounds) - 1)
    labels = {name: f"labels/{name}" for name in file.get("labels", ())}
    atomic = {"positions", "numbers"} | {name for name, per in told.per.items() if per == "atom"}
    held = {
        name: file[place][atoms if name in atomic else here]
        for name, place in ({n: n for n in ("positions", "numbers", "cell", "pbc")} | labels).items()
    }
    ids = file["id"].asstr()[here]
    for k, (a, b) in enumerate(pairwise((bounds - bounds[0]).tolist())):
        row = {name: v[a:b] if name in atomic else v[k] for name, v in held.items()}
        yield atoms_of({"id": str(ids[k]), **row}, described=told)


def _groups(file: Any) -> list[str]:
    """Names of the groups of conformers, in the order of the file."""
    found: list[str] = []

    def look(name: str, item: Any) -> None:
        if hasattr(item, "keys") and _conformers(item) and any(k in item for k in NUMBERS):
            found.append(name)

    file.visititems(look)
    return found


def _conformers(group: Any) -> str:
    return next((k for k in CONFORMERS if k in group and group[k].ndim == 3), "")


def _group(group: Any, name: str) -> Iterator[Atoms]:
    """Conformers of one molecule; numbers that do not vary with them are left aside."""
    key = _conformers(group)
    positions = group[key][:] * _scale(group[key])
    elements = next(group[k][:] for k in NUMBERS if k in group)
    columns, units = {}, {}
    for other, item in group.items():
        if (
            other == key
            or not hasattr(item, "shape")
            or item.shape[:1] != positions.shape[:1]
            or other in NUMBERS
        ):
            continue
        label, sign = (other.replace("gradient", "forces"), -1.0) if "gradient" in other else (other, 1.0)
        if item.dtype.kind in "biuf":
            columns[label] = sign * item[:] if sign < 0 else item[:]
            units |= {f"{label}_unit": _unit(item)} if _unit(item) else {}
    for k, x in enumerate(positions):
        row = {"positions": x, "species": _symbols(elements, k), **{c: v[k] for c, v in columns.items()}}
        made = atoms_of(row | units, f"{name}/{k}")
        yield made


def _symbols(elements: np.ndarray, k: int) -> np.ndarray:
    """Elements of conformer k: one list for all of them, or one for each."""
    return elements[k] if elements.ndim == 2 else elements


def _unit(item: Any) -> str:
    """Unit that a dataset states, in our spelling: ``hartree/bohr``; empty where it states none."""
    stated = item.attrs.get("units", item.attrs.get("unit", ""))
    return stated.decode() if isinstance(stated, bytes) else str(stated)


def _scale(item: Any) -> float:
    return conversion_factor(_unit(item), "Å") if _unit(item) else 1.0
