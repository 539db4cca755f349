"""Trajectories in NumPy archives: ``z`` [atoms], ``R``, ``F`` [frames, atoms, 3], ``E`` [frames]; eV, Å."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from ase import Atoms

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card
from atomscape.data.format import Piece
from atomscape.data.reading import Reading

title = "NumPy archive of the frames of one molecule"
suffixes = (".frames.npz",)
trust = False
ROWS = 1000


def inputs(path: Path) -> list[Path]:
    """The file, if it is one of this format; a file of another format must give an empty list."""
    return [path] if path.name.endswith(suffixes) and path.is_file() else []


def pieces(path: Path) -> list[Piece]:
    """Parts that different processes may read: here ranges of frames."""
    with np.load(path) as file:
        n = len(file["R"])
    return [Piece(path, start, min(start + ROWS, n), first=start) for start in range(0, n, ROWS)]


def rows(piece: Piece, reading: Reading) -> Iterator[Atoms]:
    """Frames of a piece, with their columns under names that ``atomscape.atoms.labels`` knows."""
    with np.load(piece.path) as file:
        z, R, E, F = (file[name] for name in "zREF")
    for k in range(piece.start, len(R) if piece.stop is None else piece.stop):
        atoms = Atoms(z, R[k])
        atoms.info["energy"] = E[k]
        atoms.arrays["forces"] = F[k]
        yield atoms


def write(path: Path, batches: Iterable[Structures], card: Card) -> None:
    """Write frames of one molecule, in eV and Å; a format that is only read has no such function."""
    z, R, E, F = None, [], [], []
    for structure in (one for batch in batches for one in batch):
        if z is not None and structure.numbers.tolist() != z:
            raise ValueError(f"{path.name} holds frames of one molecule; {card.name} has several")
        z = structure.numbers.tolist()
        R.append(structure.positions.numpy())
        E.append(float(structure.labels["energy"]))
        F.append(structure.labels["forces"].numpy())
    with path.open("wb") as file:
        np.savez(file, z=np.array(z), R=np.array(R), E=np.array(E), F=np.array(F))
