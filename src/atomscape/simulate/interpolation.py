"""From two ends of a path to a first guess of what lies between: straight, then by distances of atoms.

Image dependent pair potential (Smidstrup, Pedersen, Stokbro and Jónsson, J. Chem. Phys. 140, 214106 (2014),
eqs. 4–6): image κ should have the distances that lie between those of the ends,

    d^κ = d^start + (d^end − d^start) t_κ,        S^κ = Σ_pairs (d^κ − d)² / d⁴

and each image goes downhill on its own S. Atoms so pass around one another where a straight line would lead
one through the other. Pairs are those that come within ``REACH``, each with its lattice shift, so nothing
jumps in a periodic cell; the end is brought to the copy nearest to the start.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from ase import Atoms

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.structures import Structures
from atomscape.ops.segment import segment_sum
from atomscape.shapes import Bool, Float, Int, Tensor
from atomscape.simulate.optimise import Fire
from atomscape.simulate.rows import longest

REACH = 5.0
"""Å within which two atoms count as a pair: 1/d⁴ makes those further apart weigh nothing."""

TOUCH = 0.2
"""Å below which two atoms have fallen onto one another, and no direction leads them apart."""

STEPS, SMALL = 200, 0.01
"""Steps of FIRE on S, and the gradient (1/Å³) at which an image has the distances that it can have."""


def unwrapped(images: Sequence[Atoms]) -> Float[np.ndarray, "images atoms 3"]:
    """Positions, each image next to the one before: by lattice vectors, or turned and shifted if it floats.

    An isolated structure without fixed atoms is brought onto the one before; the energy does not change.
    """
    from ase.build import minimize_rotation_and_translation
    from ase.geometry import find_mic

    floats = not images[0].pbc.any() and not images[0].constraints
    places = [images[0].positions.copy()]
    for image in images[1:]:
        if floats:
            here, before = image.copy(), images[0].copy()
            before.positions = places[-1]
            minimize_rotation_and_translation(before, here)
            places.append(here.positions)
        else:
            pbc: Any = image.pbc  # ASE's annotation knows one for all three directions only
            way = find_mic(image.positions - places[-1], image.cell, pbc)[0]
            places.append(places[-1] + way)
    return np.stack(places)


def between(
    first: Structures,
    knots: Float[Tensor, "knots atoms 3"],
    n: int,
    straight: bool = False,
    fixed: Bool[Tensor, " atoms"] | None = None,
) -> Structures:
    """A chain of n images and two ends, equally far apart along the knots.

    Parameters
    ----------
    first
        The start: elements, cell and labels of all images.
    knots
        Positions of start, end and what lies between, without jumps over lattice vectors.
    n
        Images between the ends. As many as knots between them: the knots themselves.
    straight
        Leave out the pair potential.
    fixed
        Atoms of an image that keep to the straight line.

    Raises
    ------
    ValueError
        Two atoms fall onto one another on the way.
    """
    many = Structures.concatenate([first] * (n + 2))
    if len(knots) == n + 2:
        return _placed(many, knots)
    length = (knots[1:] - knots[:-1]).square().sum((1, 2)).sqrt()
    at = torch.cat([length.new_zeros(1), length.cumsum(0)]) / length.sum()
    weights = _shares(at, torch.linspace(0, 1, n + 2, dtype=at.dtype))
    chain = _placed(many, torch.einsum("kn,nac->kac", weights, knots))
    if straight:
        return chain
    held = torch.zeros(first.n_atoms, dtype=torch.bool) if fixed is None else fixed
    return _by_distances(chain, first, knots, weights, held)


def _placed(many: Structures, places: Float[Tensor, "images atoms 3"]) -> Structures:
    return Structures(
        places.reshape(-1, 3), many.numbers, many.cell, many.pbc, many.structure, many.labels, many.ids
    )


def _shares(at: Float[Tensor, " knots"], t: Float[Tensor, " images"]) -> Float[Tensor, "images knots"]:
    """How much of each knot is in an image at t: linear interpolation."""
    after = torch.searchsorted(at, t).clamp(1, len(at) - 1)
    share = (t - at[after - 1]) / (at[after] - at[after - 1])
    found = t.new_zeros(len(t), len(at))
    rows = torch.arange(len(t))
    found[rows, after - 1], found[rows, after] = 1 - share, share
    return found


def _by_distances(
    chain: Structures,
    first: Structures,
    knots: Tensor,
    weights: Float[Tensor, "images knots"],
    held: Bool[Tensor, " atoms"],
) -> Structures:
    """The images between the ends where S is lowest near the straight line."""
    n, atoms = len(weights) - 2, first.n_atoms
    i, j, shift = _pairs(chain, _placed(Structures.concatenate([first] * len(knots)), knots))
    offset = shift.double() @ first.cell[0]
    if not len(i):
        return chain
    wanted = (weights @ _distances(knots, i, j, offset))[1:-1]
    inner = chain.positions.reshape(n + 2, atoms, 3)[1:-1]
    _refuse_collision(inner, i, j, offset)
    owner, rule, moves = torch.arange(n).repeat_interleave(atoms), Fire(), ~held.repeat(n).unsqueeze(1)
    force = moves * _downhill(inner, i, j, offset, wanted)
    memory = rule.start(force, n)
    for _ in range(STEPS):
        if bool((longest(force, owner, n) < SMALL).all()):
            break
        step, memory = rule.step(memory, force, owner)
        inner = inner + step.reshape(n, atoms, 3)
        force = moves * _downhill(inner, i, j, offset, wanted)
    ends = chain.positions.reshape(n + 2, atoms, 3)
    return _placed(chain, torch.cat([ends[:1], inner, ends[-1:]]))


def _pairs(*near: Structures) -> tuple[Int[Tensor, " pairs"], Int[Tensor, " pairs"], Int[Tensor, "pairs 3"]]:
    """Every i < j, or copies of one lattice shift, that come within ``REACH`` in any of the structures."""
    found = []
    for s in near:
        graph = neighbour_graph(s, REACH)
        start = s.offsets[s.structure[graph.centre]]
        i, j = graph.centre - start, graph.neighbour - start
        once = i < j
        found.append(torch.cat([i[once, None], j[once, None], graph.shift[once].long()], 1))
    rows = torch.unique(torch.cat(found), dim=0)
    return rows[:, 0], rows[:, 1], rows[:, 2:]


def _distances(places: Tensor, i: Tensor, j: Tensor, offset: Tensor) -> Float[Tensor, "images pairs"]:
    return (places[:, j] - places[:, i] + offset).square().sum(2).sqrt()


def _downhill(
    places: Float[Tensor, "images atoms 3"], i: Tensor, j: Tensor, offset: Tensor, wanted: Tensor
) -> Float[Tensor, "rows 3"]:
    """−∂S/∂r of every atom of every image."""
    way = places[:, j] - places[:, i] + offset
    d = way.square().sum(2).sqrt().clamp(min=TOUCH)
    miss = d - wanted
    slope = 2 * miss / d**4 - 4 * miss.square() / d**5
    pull = (slope / d).unsqueeze(2) * way
    n, atoms = places.shape[:2]
    start = (atoms * torch.arange(n)).unsqueeze(1)
    on_i = segment_sum(pull.reshape(-1, 3), (start + i).reshape(-1), n * atoms)
    return on_i - segment_sum(pull.reshape(-1, 3), (start + j).reshape(-1), n * atoms)


def _refuse_collision(places: Tensor, i: Tensor, j: Tensor, offset: Tensor) -> None:
    d = _distances(places, i, j, offset)
    if bool((d < TOUCH).any()):
        k, pair = divmod(int(d.argmin()), d.shape[1])
        raise ValueError(
            f"on the straight way from start to end atoms {int(i[pair])} and {int(j[pair])} fall onto one "
            f"another at image {k + 1}; give a structure in which they have passed each other: --through FILE"
        )
