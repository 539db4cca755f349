"""Space groups: crystals made to have each of the 230 symmetries, to learn and to test symmetry on.

Nothing is downloaded. A cell that the group allows is drawn (a random metric, averaged over the rotations of
the group), and one to three points, each general or on a symmetry element, whose images under all operations
of the group are atoms of one element. spglib must find the group wanted in the primitive cell, else the
crystal is drawn again. Needs spglib.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from atomscape.atoms.crystal_symmetry import ask_spglib
from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, records
from atomscape.data.space_group_settings import first_settings, found_group, operations, orbit

KINDS = (8, 9, 11, 12, 13, 14, 16, 17, 19, 20, 22, 26, 29, 30, 38, 50, 56)
GROUPS, EACH, SEED = 230, 3, 20240229
MOST = 96
"""Atoms of the primitive cell at most."""

NEAREST, LARGEST = (1.7, 2.6), 80.0
"""Å: range of the shortest distance of a crystal; Å³: largest volume per atom."""

PRECISION = 1e-4
"""Å: distance up to which spglib takes atoms for images of one another."""

card = Card(
    name="space_groups",
    title="Space groups",
    description=f"{EACH} crystals of at most {MOST} atoms in the primitive cell for each of the 230 space "
    "groups; space_group is its number. Not materials: only the symmetry and a sensible shortest distance "
    "are meant. Ids are '<number>-<k>'.",
    licence="CC0-1.0",
    citation="Made by atomscape with spglib's database of operations: A. Togo, K. Shinohara, I. Tanaka, Sci. "
    "Technol. Adv. Mater.: Methods 4, 2384822 (2024)",
    level_of_theory="none: geometry",
    properties=records("space_group"),
    generated=True,
    verified="each crystal, when made, by spglib's search, which is told nothing of the group",
)


def inputs(folder: Path) -> list[Path]:
    """The code that makes the crystals; the folder does not matter."""
    return [Path(__file__)]


def read(folder: Path) -> Iterator[Structures]:
    """Crystals, group after group, in primitive cells."""
    for group in range(1, GROUPS + 1):
        yield Structures.concatenate(made(group, k) for k in range(EACH))


def splits(folder: Path) -> Mapping[str, np.ndarray]:
    """The last crystal of each group tests, the others train."""
    last = np.arange(EACH * GROUPS) % EACH == EACH - 1
    return {"train": np.flatnonzero(~last), "test": np.flatnonzero(last)}


def made(group: int, k: int) -> Structures:
    """Crystal ``k`` of a group. Each has a generator of its own, so that it does not depend on the others."""
    numbers, positions, cell = crystal(group, np.random.default_rng([SEED, group, k]))
    return Structures.of(positions, numbers, cell, labels={"space_group": float(group)}, id=f"{group}-{k}")


def crystal(group: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers [atoms], positions (Å) [atoms, 3] and primitive cell (Å) of a crystal with exactly this group.

    Raises
    ------
    RuntimeError
        None was found in a thousand tries.
    """
    hall = first_settings()[group]
    for _ in range(1000):
        drawn = _primitive(*_drawn(hall, rng))
        if drawn is None or len(drawn[2]) > MOST:
            continue
        cell, fractions, numbers = _scaled(*drawn, rng.uniform(*NEAREST))
        if abs(np.linalg.det(cell)) > LARGEST * len(numbers):
            continue
        if found_group(cell, fractions, numbers, PRECISION) == group:
            return numbers, fractions @ cell, cell
    raise RuntimeError(f"no crystal of at most {MOST} atoms with space group {group} in 1000 tries")


def _drawn(hall: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cell, fractional coordinates and numbers of one to three orbits in the conventional cell."""
    points = [_point(hall, rng) for _ in range(int(rng.integers(1, 4)))]
    orbits = [orbit(point, hall) for point in points]
    kinds = rng.choice(KINDS, size=len(orbits), replace=False)
    return _cell(hall, rng), np.concatenate(orbits), np.repeat(kinds, [len(o) for o in orbits])


def _cell(hall: int, rng: np.random.Generator) -> np.ndarray:
    """A cell whose metric G = A Aᵀ all rotations keep, Rᵀ G R = G: the mean over them of a random one."""
    lengths, angles = rng.uniform(4.0, 9.0, 3), np.deg2rad(rng.uniform(70.0, 110.0, 3))
    cosines = np.eye(3)
    cosines[[1, 0, 0], [2, 2, 1]] = np.cos(angles)
    metric = (cosines + cosines.T - np.eye(3)) * np.outer(lengths, lengths)
    rotations, _ = operations(hall)
    return np.linalg.cholesky(np.einsum("oji,jk,okl->il", rotations, metric, rotations) / len(rotations))


def _point(hall: int, rng: np.random.Generator) -> np.ndarray:
    """A random fractional coordinate, two times in three moved onto an element of symmetry.

    The mean of x, gx, g²x … over the powers of an operation g is a point that g keeps, unless g is a screw or
    a glide; then it is as good as any other.
    """
    point = rng.random(3)
    if rng.random() < 1 / 3:
        return point
    rotations, translations = operations(hall)
    k = int(rng.integers(len(rotations)))
    shift = translations[k] + rng.integers(-1, 2, size=3)
    images, power = [point], rotations[k]
    while not np.array_equal(power, np.eye(3)):
        images.append(rotations[k] @ images[-1] + shift)
        power = power @ rotations[k]
    return np.mean(images, axis=0)


def _primitive(
    cell: np.ndarray, fractions: np.ndarray, numbers: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """The primitive cell, or None where atoms fall together."""
    return ask_spglib("find_primitive", (cell, fractions, numbers), symprec=PRECISION)


def _scaled(
    cell: np.ndarray, fractions: np.ndarray, numbers: np.ndarray, nearest: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The crystal enlarged or shrunk so that its shortest distance is ``nearest`` Å."""
    steps = np.stack(np.meshgrid(*[np.arange(-1.0, 2.0)] * 3, indexing="ij"), -1).reshape(-1, 3)
    apart = fractions[:, None] - fractions[None]
    apart -= np.rint(apart)
    squared = ((apart[..., None, :] + steps) @ cell) ** 2
    distances = np.sqrt(squared.sum(-1))
    shortest = distances[distances > 1e-6].min()
    return cell * (nearest / shortest), fractions, numbers
