"""Peaks of a position density: the most probable places and elements, ranked.

The density of a structure is turned into a cloud of weighted points, by the quadrature that normalises it:
the directions of the Lebedev rule times Gauss–Hermite nodes of every shell's distance. What a proposal is
worth is then a sum: its *probability* is the mass of its element in the ball of 0.5 Å around it, which is the
chance to be right as the missing-atom experiment counts (Thomas et al. 2018, sec. 5.3). A proposal lies at
the mean of the mass in its ball (mean shift), so all atoms that vote for a place have their say.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from atomscape.atoms.nearest_image import nearest_image
from atomscape.atoms.structures import Structures
from atomscape.nn.position_density import PositionDensity, sphere
from atomscape.nn.proposals import Proposals
from atomscape.shapes import Tensor

RADIUS = 0.5
"""Å."""
_LIGHTEST_VOTE, _LIGHTEST_POINT = 2e-4, 1e-3  # of a structure's mass; of the heaviest direction of a vote
_LIGHTEST_PEAK = 1e-3
_NODES, _NODE_WEIGHTS = np.polynomial.hermite.hermgauss(3)


Peak = tuple[np.ndarray, int, float]
"""Position, atomic number, mass around it."""


@dataclass(frozen=True, eq=False)
class Cloud:
    """Weighted points of one structure's density (Å); the weights add up to nearly one."""

    points: np.ndarray
    weights: np.ndarray
    numbers: np.ndarray


def peaks(density: PositionDensity, structures: Structures, ranks: int) -> Proposals:
    """The ``ranks`` most probable proposals for each structure; next to no probability is none.

    Elements compete by their probability; a place may be proposed for two of them.
    """
    n = len(structures)
    positions = np.full((n, ranks, 3), np.nan)
    numbers, probabilities = np.zeros((n, ranks), dtype=np.int64), np.zeros((n, ranks))
    for i, cloud in enumerate(clouds(density, structures)):
        best = _ranked(cloud, structures.cell[i].cpu(), structures.pbc[i].cpu(), ranks)
        for k, (position, number, probability) in enumerate(best):
            positions[i, k], numbers[i, k], probabilities[i, k] = position, number, probability
    made = (torch.from_numpy(a).to(structures.device) for a in (positions, numbers, probabilities))
    return Proposals(next(made), next(made), next(made).clamp(max=1.0))


@torch.no_grad()
def clouds(density: PositionDensity, structures: Structures) -> list[Cloud]:
    """The density of every structure as weighted points."""
    points, log_w, Y = (t.to(structures.device) for t in sphere(density.l_max, density.angular.dtype))
    vote = (density.log_weight.unsqueeze(-1) + density.log_shell).exp()
    atom, element, shell = (vote > _LIGHTEST_VOTE).nonzero(as_tuple=True)
    chosen = (atom, element, shell)
    bounds = torch.searchsorted(structures.structure[atom].cpu(), torch.arange(len(structures) + 1))
    found = []
    nodes = torch.from_numpy(_NODES).to(points) * 2**0.5
    shares = torch.from_numpy(_NODE_WEIGHTS / np.sqrt(np.pi)).to(points)
    for a, b in pairwise(bounds.tolist()):
        mine = tuple(t[a:b] for t in chosen)
        angular = (density.angular[mine] @ Y.mT + log_w).softmax(-1)
        heavy = angular > _LIGHTEST_POINT * angular.amax(1, keepdim=True)
        angular = vote[mine].unsqueeze(1) * angular / (angular * heavy).sum(1, keepdim=True)
        row, direction = heavy.nonzero(as_tuple=True)
        here = tuple(t[row] for t in mine)
        d = density.mean[here].unsqueeze(1) + density.width[here].unsqueeze(1) * nodes
        place = structures.positions[here[0]].to(d).unsqueeze(1)
        x = place + d.unsqueeze(2) * points[direction].unsqueeze(1)
        weights = (angular[row, direction].unsqueeze(1) * shares).flatten()
        numbers = density.elements[here[1]].repeat_interleave(len(nodes))
        arrays = (t.double().cpu().numpy() for t in (x.reshape(-1, 3), weights))
        found.append(Cloud(next(arrays), next(arrays), numbers.cpu().numpy()))
    return found


def _ranked(cloud: Cloud, cell: Tensor, pbc: Tensor, most: int) -> list[Peak]:
    found = []
    for z in np.unique(cloud.numbers):
        mine = cloud.numbers == z
        found += _peaks(cloud.points[mine], cloud.weights[mine], int(z), cell, pbc, most)
    return sorted(found, key=lambda p: -p[2])[:most]


def _peaks(x: np.ndarray, w: np.ndarray, z: int, cell: Tensor, pbc: Tensor, most: int) -> list[Peak]:
    """Peaks of the mass of one element, one after the other; what lies in a ball is used up."""
    found = []
    while len(found) < most and w.sum() > _LIGHTEST_PEAK:
        start = _heaviest_box(x, w)
        away = _from(start, x, cell, pbc)
        nearby = _squares(away) < (4 * RADIUS) ** 2
        here, weights, centre = away[nearby], w[nearby], np.zeros(3)
        for radius in (1.5 * RADIUS, RADIUS, RADIUS, RADIUS, 0.6 * RADIUS):
            near = _squares(here - centre) < radius**2
            if near.any():
                centre = (weights[near] @ here[near]) / weights[near].sum()
        inside = _squares(away - centre) < RADIUS**2
        if not inside.any():
            break
        found.append((start + centre, z, float(w[inside].sum())))
        x, w = x[~inside], w[~inside]
    return found


def _squares(x: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", x, x)


def _heaviest_box(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Mean of the points in the cube of 0.5 Å that holds the most mass."""
    boxes = np.floor((x - x.min(0)) / RADIUS).astype(np.int64)
    size = boxes.max(0) + 1
    number = (boxes[:, 0] * size[1] + boxes[:, 1]) * size[2] + boxes[:, 2]
    mine = number == np.bincount(number, w).argmax()
    return (w[mine] @ x[mine]) / w[mine].sum()


def _from(centre: np.ndarray, x: np.ndarray, cell: Tensor, pbc: Tensor) -> np.ndarray:
    """Vectors from a centre to points, to their nearest images."""
    away = x - centre
    if not bool(pbc.any()):
        return away
    n = len(away)
    vectors = torch.from_numpy(away)
    return nearest_image(vectors, cell.double().expand(n, 3, 3), pbc.expand(n, 3)).numpy()
