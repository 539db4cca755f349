"""Point groups: clouds of atoms made to have one symmetry each, to learn and to test symmetry on.

Nothing is downloaded. Each cloud is a union of orbits: a point and its images under all elements of the
group, general or on a symmetry element, each orbit of one element of the periodic table. Clouds whose
symmetry came out higher than wanted are drawn again; the whole is turned at random.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from atomscape.atoms import point_symmetry
from atomscape.atoms.point_symmetry import symmetry_elements
from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, records
from atomscape.o3 import point_groups as matrices
from atomscape.o3.point_groups import CRYSTALLOGRAPHIC, elements

SYMBOLS = (
    *CRYSTALLOGRAPHIC, "C5", "C5v", "C5h", "D5", "D5h", "D5d", "D4d", "D6d", "S8", "C7v", "I", "Ih",
)  # fmt: skip
"""The groups, in the order of the label."""

KINDS = (1, 6, 7, 8, 9, 16)
EACH, SEED = 30, 20240229
FEWEST, MOST = 5, 64
NEAREST, RADII = 0.9, (1.0, 3.5)
"""Å: no two atoms are closer, and distances of atoms from the centre."""

card = Card(
    name="point_groups",
    title="Point groups",
    description=f"{EACH} clouds of {FEWEST} to {MOST} atoms for each of {len(SYMBOLS)} point groups: the 32 "
    "of crystals, and fivefold, eightfold, staggered and icosahedral ones. point_group is the place in the "
    f"list {', '.join(SYMBOLS)}. Not molecules: only the symmetry is meant; clouds of groups of high order "
    "tend to have more atoms. Ids are '<group>-<k>'.",
    licence="CC0-1.0",
    citation="Made by atomscape",
    level_of_theory="none: geometry",
    properties=records("point_group"),
    generated=True,
    verified="each cloud, when made, by a search for all its symmetry elements; a part also by pymatgen",
)


def inputs(folder: Path) -> list[Path]:
    """The code that makes the clouds; the folder does not matter."""
    return [Path(str(file)) for file in (__file__, point_symmetry.__file__, matrices.__file__)]


def read(folder: Path) -> Iterator[Structures]:
    """Clouds, group after group; the same on every machine up to rounding."""
    for label in range(len(SYMBOLS)):
        yield Structures.concatenate(made(label, k) for k in range(EACH))


def splits(folder: Path) -> Mapping[str, np.ndarray]:
    """Of each group 80 % train, 10 % val, 10 % test."""
    place = np.arange(EACH * len(SYMBOLS)) % EACH
    a, b = EACH * 8 // 10, EACH * 9 // 10
    return {
        "train": np.flatnonzero(place < a),
        "val": np.flatnonzero((place >= a) & (place < b)),
        "test": np.flatnonzero(place >= b),
    }


def made(label: int, k: int) -> Structures:
    """Cloud ``k`` of a group. Each has a generator of its own, so that it does not depend on the others."""
    rng = np.random.default_rng([SEED, label, k])
    numbers, positions = cloud(SYMBOLS[label], rng)
    return Structures.of(positions, numbers, labels={"point_group": float(label)}, id=f"{SYMBOLS[label]}-{k}")


def cloud(symbol: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Kinds [atoms] and positions (Å) [atoms, 3] of a cloud whose point group is exactly this one.

    Raises
    ------
    RuntimeError
        None was found in a thousand tries, as for groups whose smallest orbits have more atoms than allowed.
    """
    group = elements(symbol)
    for _ in range(1000):
        drawn = _drawn(group, rng)
        if drawn is None:
            continue
        numbers, positions = drawn
        try:
            order = len(symmetry_elements(positions, numbers))
        except ValueError:
            continue
        if order == len(group):
            return numbers, positions @ _random_rotation(rng).T
    raise RuntimeError(f"no cloud of at most {MOST} atoms with point group {symbol} in 1000 tries")


def _drawn(group: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray] | None:
    """One to three orbits (more where they are small), or None where atoms come too close or too many."""
    parts: list[np.ndarray] = []
    kinds: list[int] = []
    orbits = int(rng.integers(1, 4))
    while len(parts) < orbits or sum(map(len, parts)) < FEWEST:
        parts.append(_orbit(group, rng))
        kinds.append(int(rng.choice(KINDS)))
        if sum(map(len, parts)) > MOST:
            return None
    positions = np.concatenate(parts)
    apart = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    if (apart[~np.eye(len(positions), dtype=bool)] < NEAREST).any():
        return None
    return np.repeat(kinds, [len(p) for p in parts]), positions


def _orbit(group: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Images of a random point; half of the time of one that an element of the group leaves where it is."""
    point = rng.normal(size=3)
    if rng.random() < 0.5:
        element = group[rng.integers(len(group))]
        fixed, power = point.copy(), element
        count = 1
        while not np.allclose(power, np.eye(3), atol=1e-9):
            fixed, power, count = fixed + power @ point, power @ element, count + 1
        point = fixed / count
    length = float(np.linalg.norm(point))
    if length < 1e-3:  # the element leaves only the centre in its place
        return _orbit(group, rng)
    images = group @ (point * (rng.uniform(*RADII) / length))
    _, first = np.unique(np.rint(images * 1e4).astype(np.int64), axis=0, return_index=True)
    return images[np.sort(first)]


def _random_rotation(rng: np.random.Generator) -> np.ndarray:
    """A rotation [3, 3], uniformly distributed: QR of a Gaussian matrix with the signs put right."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q * np.linalg.det(q)
