"""Copies by symmetry: fill a place of a crystal that a motion of space would fill with an existing atom.

A crystal that lacks one atom still has most of its symmetry, almost: a rotation of its lattice with a shift
takes every atom to one of its kind, but for the one that comes to lie in the vacancy. So every operation

    r → R r + t,    R a rotation of the lattice,    t = r_j − R r_i for atoms i, j of one element

that misses exactly one atom proposes where that one lands, and its element; how many operations agree ranks
proposals. Where the missing atom was the only one of its orbit nothing can be copied. In a supercell, where
every site is repeated, translations alone are enough. Nothing is learned here: a baseline for networks.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from atomscape.atoms.crystal_symmetry import as_spglib, ask_spglib
from atomscape.atoms.structures import Structures
from atomscape.nn.proposals import Proposals
from atomscape.shapes import Float, Int

RANKS = 3
TOLERANCE = 0.3
"""Å within which an atom must come to one of its kind."""
CLEARANCE = 1.0
"""Å; a place nearer than that to an atom is not empty."""
ANCHORS = 2
"""Atoms of an element that shifts start from: of two, at least one does not land in the vacancy."""
_FEW, _PAIRS = 6, 1_000_000


def copies(
    crystal: Structures, most: int = RANKS
) -> tuple[Float[np.ndarray, "places 3"], Int[np.ndarray, " places"], Int[np.ndarray, " places"]]:
    """Places (Å, in the cell) that operations fill, the elements, and how many operations say so.

    Raises
    ------
    ValueError
        More or fewer than one structure, or not periodic in all three directions.
    """
    if len(crystal) != 1 or not bool(crystal.pbc.all()):
        raise ValueError(
            f"copies are looked for in one crystal; given {len(crystal)} structures, periodic along "
            f"{crystal.pbc.tolist()}"
        )
    cell, x, z = as_spglib(crystal)
    found: list[tuple[np.ndarray, int]] = []
    some = np.arange(0, len(x), max(1, len(x) // _FEW))  # most operations miss several of a few atoms already
    turns, shifts = _operations(cell, x, z)
    at_once = max(1, _PAIRS // (len(x) * len(some)))
    for k in range(0, len(turns), at_once):
        turn, shift = turns[k : k + at_once], shifts[k : k + at_once]
        likely = (~_landed(cell, x, z, turn, shift, some)[1]).sum(1) <= 1
        found += _missed(cell, x, z, turn[likely], shift[likely])
    return _merged(cell, found, most)


def copy_sites(
    otherwise: Callable[[Structures], Proposals], ranks: int = RANKS
) -> Callable[[Structures], Proposals]:
    """What proposes copies, and for crystals that have none what ``otherwise`` proposes."""

    def propose(structures: Structures) -> Proposals:
        positions = torch.full((len(structures), ranks, 3), torch.nan, dtype=torch.float64)
        numbers = torch.zeros(len(structures), ranks, dtype=torch.int64)
        for i, crystal in enumerate(structures):
            places, elements, _ = copies(crystal, ranks)
            positions[i, : len(places)] = torch.from_numpy(places)
            numbers[i, : len(places)] = torch.from_numpy(elements)
        none = (numbers[:, 0] == 0).nonzero().squeeze(1)
        if len(none):
            given = otherwise(structures[none])
            positions[none], numbers[none] = given.positions[:, :ranks], given.numbers[:, :ranks]
        return Proposals(positions, numbers, torch.full(numbers.shape, torch.nan, dtype=torch.float64))

    return propose


def _operations(cell: np.ndarray, x: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotations and shifts (fractional) that take some anchor to an atom of its element.

    Anchors are of the two rarest elements: operations that take neither of two atoms of both to an atom are
    none of the crystal's.
    """
    alone = ask_spglib("get_symmetry", (cell, np.zeros((1, 3)), [1]), symprec=0.1)
    rotations = np.eye(3, dtype=int)[None] if alone is None else np.unique(alone["rotations"], axis=0)
    elements, counts = np.unique(z, return_counts=True)
    turns, shifts = [], []
    for element in elements[np.argsort(counts, kind="stable")][:2]:
        mine = x[z == element]
        for anchor in mine[:ANCHORS]:
            t = (mine[None] - (rotations @ anchor)[:, None]).reshape(-1, 3)
            turns.append(np.repeat(rotations, len(mine), axis=0))
            shifts.append(t)
    return np.concatenate(turns), np.concatenate(shifts)


def _landed(
    cell: np.ndarray, x: np.ndarray, z: np.ndarray, turns: np.ndarray, shifts: np.ndarray, atoms: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where operations take atoms (fractional), whether they meet one of their kind, how near one is (Å)."""
    moved = x[atoms] @ turns.transpose(0, 2, 1) + shifts[:, None]
    apart = moved[:, :, None] - x
    distance = np.linalg.norm((apart - np.rint(apart)) @ cell, axis=-1)
    meets = np.where(z[atoms, None] == z, distance, np.inf).min(2) < TOLERANCE
    return moved, meets, distance.min(2)


def _missed(
    cell: np.ndarray, x: np.ndarray, z: np.ndarray, turns: np.ndarray, shifts: np.ndarray
) -> list[tuple[np.ndarray, int]]:
    """Where the one atom lands that an operation takes to none of its kind (fractional); its element."""
    moved, meets, nearest = _landed(cell, x, z, turns, shifts, np.arange(len(x)))
    operation = np.flatnonzero((~meets).sum(1) == 1)
    atom = (~meets[operation]).argmax(1)
    empty = nearest[operation, atom] > CLEARANCE
    return [(moved[o, a], int(z[a])) for o, a in zip(operation[empty], atom[empty], strict=True)]


def _merged(
    cell: np.ndarray, found: list[tuple[np.ndarray, int]], most: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places within the tolerance of one another become one, at their mean; the most frequent come first."""
    places: list[list] = []
    for x, z in found:
        for place in places:
            off = x - place[0]
            off -= np.rint(off)
            if z == place[1] and np.linalg.norm(off @ cell) < TOLERANCE:
                place[2] += 1
                place[0] = place[0] + off / place[2]
                break
        else:
            places.append([x, z, 1])
    best = sorted(places, key=lambda p: -p[2])[:most]
    x = np.array([p[0] for p in best], dtype=float).reshape(-1, 3)
    elements, counts = (np.array([p[k] for p in best], dtype=np.int64) for k in (1, 2))
    return (x % 1.0) @ cell, elements, counts
