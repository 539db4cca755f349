"""Which atoms of a structure are drawn, and which of them are bonded, with periodic images.

A crystal is drawn as its cell: atoms wrapped into it, those on a face, edge or corner on the opposite ones
too. Bonds are pairs closer than 1.1 (r_a + r_b) + 0.25 Å, r covalent radii; where there are nonmetals, metals
are not bonded to one another. A bond that leaves the cell is drawn to its middle.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.structures import Structures
from atomscape.nn.species import covalent_radii
from atomscape.shapes import Float, Int
from atomscape.view.elements import kinds

FACE = 0.05
"""Å within which an atom lies on a face of the cell."""

MOST_STUBS = 4
"""Atoms with more neighbours show no bonds out of the cell: they would look like thorns."""

SHORTEST = 0.3
"""Å below which two atoms are a mistake, not a bond."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """Atoms that are drawn, with images, and bonds between them.

    ``atom`` says which atom of the structure each one is. A bond goes from drawn atom ``first`` towards drawn
    atom ``second``, or, where that is −1, to a place half-way to an atom outside.
    """

    atom: Int[np.ndarray, " drawn"]
    positions: Float[np.ndarray, "drawn 3"]
    first: Int[np.ndarray, " bonds"]
    second: Int[np.ndarray, " bonds"]
    ends: Float[np.ndarray, "bonds 3"]


def drawn_atoms(structure: Structures) -> Drawn:
    """Atoms and bonds of one structure.

    Raises
    ------
    ValueError
        The batch has more or fewer than one structure, or no atoms.
    """
    if len(structure) != 1 or structure.n_atoms == 0:
        raise ValueError(
            f"one structure of at least one atom is drawn at a time; given {len(structure)} structures of "
            f"{structure.n_atoms} atoms. Choose one: structures[0]"
        )
    cell, pbc = cell_of(structure)
    x = _wrapped(structure.positions.detach().cpu().double().numpy(), cell, pbc)
    atom, images = _on_faces(x, cell, pbc)
    first, partner, image = _bonds(replace(structure, positions=torch.from_numpy(x), labels={}), atom, images)
    numbers = {(int(a), *map(int, s)): k for k, (a, s) in enumerate(zip(atom, images, strict=True))}
    second = np.array([numbers.get((int(a), *map(int, s)), -1) for a, s in zip(partner, image, strict=True)])
    second = second.astype(np.int64)
    at = x[atom] + images @ cell
    target = x[partner] + image @ cell
    ends = np.where((second < 0)[:, None], 0.5 * (at[first] + target), target)
    count = np.bincount(first, minlength=len(atom))
    # Both drawn: each pair stands twice, and once is enough.
    keep = np.where(second < 0, count[first] <= MOST_STUBS, second > first)
    return Drawn(atom, at, first[keep], second[keep], ends[keep])


def cell_of(structure: Structures) -> tuple[Float[np.ndarray, "3 3"], np.ndarray]:
    """Cell and periodicity of one structure; rows of free axes are unit vectors across the others."""
    rows = structure.cell[0].detach().cpu().double().numpy().copy()
    pbc = structure.pbc[0].cpu().numpy()
    for k in np.flatnonzero(~pbc):
        others = [rows[i] for i in range(3) if pbc[i] or i < k]
        across = np.linalg.svd(np.array(others))[2][-1] if others else np.eye(3)[k]
        rows[k] = across * np.sign(across[np.abs(across).argmax()])
    return rows, pbc


def _wrapped(x: np.ndarray, cell: np.ndarray, pbc: np.ndarray) -> np.ndarray:
    """Positions in the cell, those just below a face on it."""
    inverse = np.linalg.inv(cell)
    near = FACE * np.linalg.norm(inverse, axis=0)
    return x - np.where(pbc, np.floor(x @ inverse + near), 0) @ cell


def _on_faces(x: np.ndarray, cell: np.ndarray, pbc: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Atoms that are drawn and the lattice vector of each, the atoms themselves first."""
    inverse = np.linalg.inv(cell)
    on = pbc & (np.abs(x @ inverse) < FACE * np.linalg.norm(inverse, axis=0))
    corners = np.indices((2, 2, 2)).reshape(3, 8).T
    atom = [np.flatnonzero((on | (corner == 0)).all(1)) for corner in corners]
    shift = np.repeat(corners, [len(a) for a in atom], axis=0)
    return np.concatenate(atom), shift


def _bonds(structure: Structures, atom: np.ndarray, images: np.ndarray) -> tuple[np.ndarray, ...]:
    """For each drawn atom and bond: the drawn atom, the atom at the other end, and that one's image."""
    z = structure.numbers.cpu().numpy()
    radius = covalent_radii().numpy()[z]
    metal = kinds()[z] == "metal"
    graph = neighbour_graph(structure, 2.2 * float(radius.max()) + 0.25)
    i, j = graph.centre.cpu().numpy(), graph.neighbour.cpu().numpy()
    length = np.linalg.norm(graph.vectors.detach().cpu().numpy(), axis=1)
    bonded = (length < 1.1 * (radius[i] + radius[j]) + 0.25) & (length > SHORTEST)
    if (kinds()[z] == "nonmetal").any():
        bonded &= ~(metal[i] & metal[j])
    i, j, shift = i[bonded], j[bonded], graph.shift.cpu().numpy()[bonded]
    start = np.searchsorted(i, np.arange(len(z) + 1))
    count = np.diff(start)[atom]
    k = np.repeat(np.arange(len(atom)), count)
    edge = np.arange(len(k)) - np.repeat(np.cumsum(count) - count, count) + start[atom][k]
    return k, j[edge], shift[edge] + images[k]
