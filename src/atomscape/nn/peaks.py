"""Peaks of a position density: the most probable places and elements, ranked.

The density of a structure is turned into a cloud of weighted points, by the quadrature that normalises it:
the directions of the Lebedev rule times Gauss–Hermite nodes of every shell's distance. What a proposal is
worth is then a sum: its *probability* is the mass of its element in the ball of 0.5 Å around it, which is the
chance to be right as the missing-atom experiment counts (Thomas et al. 2018, sec. 5.3). A proposal lies at
the mean of the mass in its ball (mean shift), so all atoms that vote for a place have their say.

In a crystal all images of a place are one place: votes for them add up, and a proposal lies in the cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from atomscape.atoms.cells import completed, heights
from atomscape.atoms.structures import Structures
from atomscape.nn.position_density import PositionDensity, sphere
from atomscape.nn.proposals import Proposals
from atomscape.shapes import Bool, Float, Int, Tensor

RADIUS = 0.5
"""Å."""
_LIGHTEST_VOTE, _LIGHTEST_POINT = 2e-4, 1e-3  # of a structure's mass; of the heaviest direction of a vote
_LIGHTEST_PEAK = 1e-3
_MOST_BOXES = 20_000_000
_NODES, _NODE_WEIGHTS = np.polynomial.hermite.hermgauss(3)


Peak = tuple[np.ndarray, int, float]
"""Position, atomic number, mass around it."""


@dataclass(frozen=True, eq=False)
class Cloud:
    """One structure's density as points (Å) with weights.

    A *place* is a shell of an atom, for one element or shared by all. The weights of the points of a place
    add up to one, and ``masses`` says how much of the density each element has there.
    """

    points: Float[np.ndarray, "points 3"]
    weights: Float[np.ndarray, " points"]
    place: Int[np.ndarray, " points"]
    masses: Float[np.ndarray, "places elements"]
    elements: Int[np.ndarray, " elements"]

    def of(self, column: int) -> tuple[Float[np.ndarray, "some 3"], Float[np.ndarray, " some"]]:
        """Points and masses of one element; they add up to its probability, nearly."""
        mass = self.masses[self.place, column]
        mine = mass > _LIGHTEST_VOTE
        return self.points[mine], self.weights[mine] * mass[mine]


def peaks(density: PositionDensity, structures: Structures, ranks: int) -> Proposals:
    """The ``ranks`` most probable proposals for each structure; next to no probability is none.

    Elements compete by their probability; a place may be proposed for two of them.
    """
    n = len(structures)
    positions = np.full((n, ranks, 3), np.nan)
    numbers, probabilities = np.zeros((n, ranks), dtype=np.int64), np.zeros((n, ranks))
    for i, cloud in enumerate(clouds(density, structures)):
        best = _ranked(cloud, Lattice.of(structures.cell[i], structures.pbc[i]), ranks)
        for k, (position, number, probability) in enumerate(best):
            positions[i, k], numbers[i, k], probabilities[i, k] = position, number, probability
    made = (torch.from_numpy(a).to(structures.device) for a in (positions, numbers, probabilities))
    return Proposals(next(made), next(made), next(made).clamp(max=1.0))


@dataclass(frozen=True, eq=False)
class Lattice:
    """Periodic directions of one structure: rows of the cell (Å, unit vectors where it has none), boxes.

    ``boxes`` says how many boxes there are along each row, none narrower than 0.5 Å.
    """

    rows: np.ndarray
    inverse: np.ndarray
    pbc: np.ndarray
    boxes: np.ndarray

    @staticmethod
    def of(cell: Float[Tensor, "3 3"], pbc: Bool[Tensor, " 3"]) -> Lattice:
        """Lattice of a structure's cell."""
        given, periodic = cell.detach().cpu().double().numpy()[None], pbc.cpu().numpy()
        rows = completed(given, periodic[None])[0]
        apart = heights(given, periodic[None])[0]
        return Lattice(rows, np.linalg.inv(rows), periodic, np.maximum(1, np.floor(apart / RADIUS)))

    def boxes_of(self, x: np.ndarray) -> tuple[np.ndarray, tuple[int, ...]]:
        """Box of each point, the same for all its images, and how many there are along each row.

        Boxes of periodic directions are centred on the lattice points, where sites of high symmetry are.
        """
        turns = x @ self.inverse
        first = np.where(self.pbc, -0.5 / self.boxes, turns.min(0))
        boxes = np.floor((turns - first) * self.boxes)
        boxes = np.where(self.pbc, boxes % self.boxes, boxes).astype(np.int64)
        return boxes, tuple(np.where(self.pbc, self.boxes, boxes.max(0) + 1).astype(int).tolist())

    def short(self, vectors: np.ndarray) -> np.ndarray:
        """Images of vectors around zero; the nearest, if that is less than half the cell's height long."""
        if not self.pbc.any():
            return vectors
        return vectors - (np.rint(vectors @ self.inverse) * self.pbc) @ self.rows

    def wrapped(self, x: np.ndarray) -> np.ndarray:
        """Image of a point that is in the cell."""
        return x - (np.floor(x @ self.inverse + 1e-9) * self.pbc) @ self.rows


@torch.no_grad()
def clouds(density: PositionDensity, structures: Structures) -> list[Cloud]:
    """The density of every structure as weighted points."""
    points, log_w, Y = (t.to(structures.device) for t in sphere(density.l_max, density.angular.dtype))
    vote = (density.log_weight.unsqueeze(-1) + density.log_shell).exp()
    own = density.mean.shape[1] == vote.shape[1]
    heavy = vote > _LIGHTEST_VOTE
    chosen = (heavy if own else heavy.any(1, keepdim=True)).nonzero(as_tuple=True)
    bounds = torch.searchsorted(structures.structure[chosen[0]].cpu(), torch.arange(len(structures) + 1))
    found = []
    nodes = torch.from_numpy(_NODES).to(points) * 2**0.5
    shares = torch.from_numpy(_NODE_WEIGHTS / np.sqrt(np.pi)).to(points)
    for a, b in pairwise(bounds.tolist()):
        mine = tuple(t[a:b] for t in chosen)
        angular = (density.angular[mine] @ Y.mT + log_w).softmax(-1)
        angular = angular * (angular > _LIGHTEST_POINT * angular.amax(1, keepdim=True))
        angular = angular / angular.sum(1, keepdim=True)
        place, direction = angular.nonzero(as_tuple=True)
        here = tuple(t[place] for t in mine)
        d = density.mean[here].unsqueeze(1) + density.width[here].unsqueeze(1) * nodes
        centre = structures.positions[here[0]].to(d).unsqueeze(1)
        x = centre + d.unsqueeze(2) * points[direction].unsqueeze(1)
        weights = (angular[place, direction].unsqueeze(1) * shares).flatten()
        masses = vote[mine[0], :, mine[2]]
        if own:
            masses = masses * torch.nn.functional.one_hot(mine[1], vote.shape[1])
        arrays = (x.reshape(-1, 3).double(), weights.double(), place.repeat_interleave(len(nodes)))
        found.append(Cloud(*(t.cpu().numpy() for t in (*arrays, masses.double(), density.elements))))
    return found


def _ranked(cloud: Cloud, lattice: Lattice, most: int) -> list[Peak]:
    """The best peaks of all elements; elements that cannot have a better one are not searched."""
    found: list[Peak] = []
    bounds = _bounds(cloud, lattice)
    for k in np.argsort(-bounds, kind="stable").tolist():
        least = found[-1][2] if len(found) == most else _LIGHTEST_PEAK
        if bounds[k] <= least:
            break
        found += _peaks(*cloud.of(k), int(cloud.elements[k]), lattice, most, least)
        found = sorted(found, key=lambda p: -p[2])[:most]
    return [(lattice.wrapped(x), z, w) for x, z, w in found]


def _bounds(cloud: Cloud, lattice: Lattice) -> np.ndarray:
    """More than any ball holds of each element: the mass of 27 boxes, none narrower than its radius.

    Where structures are so large that the boxes would fill memory it is all the mass of the element.
    """
    if not len(cloud.points):
        return np.zeros(len(cloud.elements))
    boxes, size = lattice.boxes_of(cloud.points)
    cells = int(np.prod(size))
    if cells * len(cloud.masses) > _MOST_BOXES:
        return cloud.masses.sum(0)
    number = np.ravel_multi_index(tuple(boxes.T), size)
    shares = np.bincount(cloud.place * cells + number, cloud.weights, len(cloud.masses) * cells)
    held = (cloud.masses.T @ shares.reshape(-1, cells)).reshape(-1, *size)
    for axis in (1, 2, 3):
        wraps = lattice.pbc[axis - 1]
        if wraps and size[axis - 1] < 3:
            held = held.sum(axis, keepdims=True)
            continue
        edge = [(0, 0)] * 4
        edge[axis] = (1, 1)
        wide = np.pad(held, edge, mode="wrap" if wraps else "constant")
        n = held.shape[axis]
        held = np.sum([np.take(wide, range(k, k + n), axis) for k in range(3)], axis=0)
    return held.reshape(len(held), -1).max(1)


def _peaks(x: np.ndarray, w: np.ndarray, z: int, lattice: Lattice, most: int, least: float) -> list[Peak]:
    """Peaks of the mass of one element, one after the other; what lies in a ball is used up."""
    found = []
    while len(found) < most and w.sum() > least:
        start = _heaviest_box(x, w, lattice)
        away = lattice.short(x - start)
        nearby = _squares(away) < (4 * RADIUS) ** 2
        here, weights, centre = away[nearby], w[nearby], np.zeros(3)
        for radius in (1.5 * RADIUS, RADIUS, RADIUS, RADIUS, 0.6 * RADIUS):
            near = _squares(here - centre) < radius**2
            if near.any():
                centre = (weights[near] @ here[near]) / weights[near].sum()
        inside = _squares(lattice.short(away - centre)) < RADIUS**2
        if not inside.any():
            break
        found.append((start + centre, z, float(w[inside].sum())))
        x, w = x[~inside], w[~inside]
    return found


def _squares(x: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", x, x)


def _heaviest_box(x: np.ndarray, w: np.ndarray, lattice: Lattice) -> np.ndarray:
    """Mean of the points in the box of about 0.5 Å that holds the most mass, all images being one."""
    boxes, size = lattice.boxes_of(x)
    number = np.ravel_multi_index(tuple(boxes.T), size)
    if np.prod(size) > _MOST_BOXES:
        number = np.unique(number, return_inverse=True)[1]
    mine = number == np.bincount(number, w).argmax()
    one = x[mine][0]
    return one + (w[mine] @ lattice.short(x[mine] - one)) / w[mine].sum()
