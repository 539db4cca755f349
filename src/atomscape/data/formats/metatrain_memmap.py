"""Folders of flat arrays as metatrain's ``MemmapDataset`` maps them: float32 for all values.

``ns.npy`` (structures; older ``N.npy``), ``na.npy`` [structures + 1] (first atom of each; older ``n.npy``),
``x.bin`` positions, ``a.bin`` elements (int32), ``c.bin`` cells, and ``NAME.bin`` for each label, with
``energy_forces.bin`` and ``energy_stress.bin`` for the derivatives of ``energy.bin``. A direction is periodic
if its row of the cell is not zero. We add ``atomscape.json``, which describes the labels, and ``ids.txt``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from ase import Atoms

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card
from atomscape.data.described import (
    NOTHING,
    Described,
    arrays_of,
    described,
    description,
    ids_of,
    properties_in,
)
from atomscape.data.foreign_rows import atoms_of
from atomscape.data.format import Piece
from atomscape.data.reading import Reading

title = "metatrain's memory-mapped arrays (float32)"
suffixes = (".memmap",)
trust = False
ROWS = 4096
DESCRIPTION, IDS = "atomscape.json", "ids.txt"
NAMES = {"forces": "energy_forces", "stress": "energy_stress"}
"""Our names, and those that metatrain writes for derivatives."""


def inputs(path: Path) -> list[Path]:
    """All files of the folder, if those of the geometry are there."""
    if not all((path / name).is_file() for name in ("x.bin", "a.bin", "c.bin")) or not _index(path):
        return []
    return [p for p in sorted(path.iterdir()) if p.suffix in (".bin", ".npy") or p.name in (DESCRIPTION, IDS)]


def pieces(path: Path) -> list[Piece]:
    """Ranges of structures."""
    n = len(np.load(_index(path))) - 1
    return [Piece(path, a, min(a + ROWS, n), a) for a in range(0, max(1, n), ROWS)]


def rows(piece: Piece, reading: Reading) -> Iterator[Atoms]:
    """Structures of a range, mapped.

    Raises
    ------
    ValueError
        A file does not have a whole number of values per structure or atom.
    """
    path = piece.path
    bounds = np.load(_index(path))
    told = described((path / DESCRIPTION).read_text()) if (path / DESCRIPTION).is_file() else NOTHING
    ids = (path / IDS).read_text().split("\n") if (path / IDS).is_file() else None
    n, atoms = len(bounds) - 1, int(bounds[-1])
    numbers = np.memmap(path / "a.bin", np.int32, "r", shape=(atoms,))
    positions = np.memmap(path / "x.bin", np.float32, "r", shape=(atoms, 3))
    cell = np.memmap(path / "c.bin", np.float32, "r", shape=(n, 3, 3))
    labels = {
        name: _label(path / f"{file}.bin", name, told, n, atoms) for name, file in _labels(path).items()
    }
    for k in range(piece.start, n if piece.stop is None else piece.stop):
        a, b = int(bounds[k]), int(bounds[k + 1])
        row = {name: v[a:b] if per == "atom" else v[k] for name, (per, v) in labels.items()}
        geometry = {"positions": positions[a:b], "numbers": numbers[a:b], "cell": cell[k]}
        name = ids[k] if ids else str(k)
        yield atoms_of({"id": name, **geometry, **row}, described=_with(told, labels))


def write(path: Path, batches: Iterable[Structures], card: Card) -> None:
    """Write the folder, a batch at a time; periodic directions are those with a row of the cell."""
    path.mkdir()
    bounds, names, files, properties = [np.zeros(1, np.int64)], [], {}, {}
    with ExitStack() as stack:
        for batch in batches:
            properties = properties or properties_in(card, batch)
            wrong = [name for name in properties if not re.fullmatch(r"\w+", name)]
            if wrong:
                raise ValueError(f"label {wrong[0]!r} cannot be the name of a file; give it another one")
            arrays = arrays_of(batch, properties)
            kept = {"x": arrays["positions"], "a": arrays["numbers"], "c": arrays["cell"]}
            for name, array in (kept | {NAMES.get(n, n): arrays[n] for n in properties}).items():
                if name not in files:
                    files[name] = stack.enter_context((path / f"{name}.bin").open("wb"))
                files[name].write(array.astype(np.int32 if name == "a" else np.float32).tobytes())
            names += ids_of(batch, sum(map(len, bounds)) - 1)
            bounds.append(bounds[-1][-1] + batch.offsets.numpy()[1:])
    offsets = np.concatenate(bounds)
    np.save(path / "ns.npy", np.int64(len(offsets) - 1))
    np.save(path / "na.npy", offsets)
    (path / DESCRIPTION).write_text(description(properties, card))
    (path / IDS).write_text("\n".join(names))


def _index(path: Path) -> Path | str:
    return next((path / name for name in ("na.npy", "n.npy") if (path / name).is_file()), "")


def _labels(path: Path) -> dict[str, str]:
    """Our name of each label → the file's."""
    files = [p.stem for p in sorted(path.glob("*.bin")) if p.stem not in ("x", "a", "c")]
    ours = {theirs: name for name, theirs in NAMES.items()}
    return {ours.get(file, file): file for file in files}


def _label(file: Path, name: str, told: Described, n: int, atoms: int) -> tuple[str, np.ndarray]:
    """Whether a label runs over atoms, and its values; without a description the size of the file tells."""
    values = np.memmap(file, np.float32, "r")
    if name in told.per:
        per, shape = told.per[name], told.shapes[name]
        return per, values.reshape(atoms if per == "atom" else n, *shape)
    per = "atom" if name == "forces" or (values.size % n and values.size % atoms == 0) else "structure"
    rows = atoms if per == "atom" else n
    if values.size % rows:
        raise ValueError(
            f"{file} has {values.size} values, no whole number for {n} structures or {atoms} atoms"
        )
    width = values.size // rows
    shape = {1: (), 9: (3, 3)}.get(width, (width,))
    return per, values.reshape(rows, *shape)


def _with(told: Described, labels: dict[str, tuple[str, np.ndarray]]) -> Described:
    return told if told.per else Described({name: per for name, (per, _) in labels.items()})
