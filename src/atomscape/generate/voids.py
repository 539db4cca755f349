"""Largest voids: the simplest guess for where an atom of a crystal is missing, which learns nothing.

A void is the centre of an empty sphere that touches atoms on all sides, a vertex of the Voronoi diagram of
the atoms and their images; the largest come first. Its element is one that the crystal has:

    common     the most frequent (the lighter of two)
    formula    the one that makes the simplest formula: n atoms of each element, divided by what divides all n

What is right by this is right because of where the hole is, and no credit to a network.
"""

from __future__ import annotations

from collections.abc import Callable
from math import gcd

import numpy as np
import torch
from scipy.spatial import KDTree, Voronoi

from atomscape.atoms.cells import heights
from atomscape.atoms.structures import Structures
from atomscape.nn.proposals import Proposals
from atomscape.shapes import Float, Int

RANKS = 3
REACH = 8.0
"""Å; images farther from the cell are not looked at: voids of larger radius are not found."""
SAME = 0.3
"""Å; vertices within it are one void."""


def voids(
    crystal: Structures, most: int = RANKS
) -> tuple[Float[np.ndarray, "voids 3"], Float[np.ndarray, " voids"]]:
    """Centres (Å, in the cell) of the largest voids of one crystal and their radii (Å), the largest first.

    Raises
    ------
    ValueError
        More or fewer than one structure, no atom, or not periodic in all three directions.
    """
    if len(crystal) != 1 or crystal.n_atoms == 0 or not bool(crystal.pbc.all()):
        raise ValueError(
            f"voids are looked for in one crystal with atoms; given {len(crystal)} structures of "
            f"{crystal.n_atoms} atoms, periodic along {crystal.pbc.tolist()}"
        )
    cell = crystal.cell[0].double().numpy()
    turns = crystal.positions.double().numpy() @ np.linalg.inv(cell)
    apart = heights(cell[None], np.ones((1, 3), dtype=bool))[0]
    margin = REACH / apart
    span = [np.arange(-int(np.ceil(m)), int(np.ceil(m)) + 1) for m in margin]
    shifts = np.stack(np.meshgrid(*span, indexing="ij"), -1).reshape(-1, 3)
    images = ((turns % 1.0)[None] + shifts[:, None]).reshape(-1, 3)
    images = images[((images > -margin) & (images < 1 + margin)).all(1)] @ cell
    centres = Voronoi(images).vertices
    inside = centres @ np.linalg.inv(cell)
    centres = centres[((inside > -1e-6) & (inside < 1 - 1e-6)).all(1)]
    radii = KDTree(images).query(centres)[0]
    chosen: list[int] = []
    for k in np.lexsort((*centres.round(3).T, -radii.round(3))).tolist():
        off = (centres[chosen] - centres[k]) @ np.linalg.inv(cell)
        if (np.linalg.norm((off - np.rint(off)) @ cell, axis=1) > SAME).all():
            chosen.append(k)
        if len(chosen) == most:
            break
    return centres[chosen], radii[chosen]


def common(numbers: Int[np.ndarray, " atoms"]) -> int:
    """The most frequent element; of several the lightest."""
    elements, counts = np.unique(numbers, return_counts=True)
    return int(elements[counts.argmax()])


def formula(numbers: Int[np.ndarray, " atoms"]) -> int:
    """The element of which one more makes the simplest formula; of several the most frequent."""
    elements, counts = np.unique(numbers, return_counts=True)
    simple = [gcd(*(counts + np.eye(len(counts), dtype=int)[k]).tolist()) for k in range(len(counts))]
    return int(elements[np.lexsort((-counts, -np.array(simple)))[0]])


def fill_voids(
    element: Callable[[Int[np.ndarray, " atoms"]], int], ranks: int = RANKS
) -> Callable[[Structures], Proposals]:
    """What proposes an atom in each of the largest voids, without probabilities.

    ``element`` chooses it from the atomic numbers that are there: ``common`` or ``formula``.
    """

    def propose(structures: Structures) -> Proposals:
        positions = torch.full((len(structures), ranks, 3), torch.nan, dtype=torch.float64)
        numbers = torch.zeros(len(structures), ranks, dtype=torch.int64)
        for i, crystal in enumerate(structures):
            centres, _ = voids(crystal, ranks)
            positions[i, : len(centres)] = torch.from_numpy(centres)
            numbers[i, : len(centres)] = element(crystal.numbers.numpy())
        return Proposals(positions, numbers, torch.full(numbers.shape, torch.nan, dtype=torch.float64))

    return propose
