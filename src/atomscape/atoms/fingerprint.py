"""Fingerprints: numbers that two descriptions of one structure share, to find what stands twice.

A fingerprint does not change under rotation, reflection, translation and permutation, nor with the choice of
cell: a primitive cell, a supercell and a sheared cell of one crystal have the same. For each atom i, with
neighbours j closer than R, weights w of elements and smooth radial functions g,

    A[a, n] = Σ_j w_a(Z_j) g_n(r_ij)        P[a, n, l] = Σ_m (Σ_j w_a(Z_j) g_n(r_ij) Y_lm(r_ij))² / (2l + 1)²

and over the atoms of the structure the means of A and w(Z_i) A and the root means of A² and, where angles are
asked for, of P and w(Z_i) P. (A is the degree 0 of the power spectrum, kept linear.) What differs by
distances of δ Å differs in its fingerprint by about δ, as ``distance`` measures it. Different structures can
share a fingerprint only if they have the same neighbourhoods up to R and the same composition, which
``reduced_formulas`` tells.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.structures import Structures
from atomscape.o3.harmonics import spherical_harmonics
from atomscape.shapes import Float, Int, Tensor

CUTOFF = 5.0
"""R in Å."""

RADIAL, ANGULAR = 8, 4
"""Number of radial functions without and with angles."""

DEGREES = 4
"""Largest l of P."""

SAME = 0.002
"""Distance of fingerprints (about Å) below which two structures count as the same."""

_EDGES = 200_000
_GOLDEN = (5**0.5 - 1) / 2


def fingerprints(
    structures: Structures, angles: bool = True, cutoff: float = CUTOFF
) -> Float[Tensor, "structures features"]:
    """Fingerprint of each structure, float64.

    Parameters
    ----------
    structures
        The batch; memory grows with its edges within ``cutoff``, at most some 200 MB at a time.
    angles
        Whether P is taken too. Without it a fingerprint costs a fifth, and some structures share theirs.
    cutoff
        R in Å.
    """
    bounds = np.r_[0, np.cumsum(_expected_edges(structures, cutoff))]
    parts, start = [], 0
    while start < len(structures):
        stop = max(start + 1, int(np.searchsorted(bounds, bounds[start] + _EDGES, side="right")) - 1)
        parts.append(_fingerprints(structures[start:stop], angles, cutoff))
        start = stop
    return torch.cat(parts) if parts else torch.zeros(0, _features(angles), dtype=torch.float64)


def reduced_formulas(structures: Structures) -> list[bytes]:
    """Composition of each structure as a key: equal where one is a multiple of the other."""
    numbers, bounds = structures.numbers.cpu().numpy(), structures.offsets.tolist()
    keys = []
    for a, b in pairwise(bounds):
        elements, counts = np.unique(numbers[a:b], return_counts=True)
        keys.append(np.stack([elements, counts // np.gcd.reduce(counts)]).astype("<i4").tobytes())
    return keys


def distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Distance of fingerprints [pairs, features], in units of about one Å of the distances of atoms."""
    scale = 1.0 + np.maximum(np.abs(a), np.abs(b)).max(axis=-1)
    return np.abs(a - b).max(axis=-1) / scale


def matches(
    keys: Int[np.ndarray, " structures"],
    fingerprints: Float[np.ndarray, "structures features"],
    tolerance: float = SAME,
) -> Int[np.ndarray, "pairs 2"]:
    """Pairs (i < j) of structures with equal keys and fingerprints closer than ``tolerance``.

    Parameters
    ----------
    keys
        Number of each structure's composition: ``np.unique(reduced_formulas, return_inverse=True)[1]``.
    fingerprints
        Of all structures.
    """
    found = [np.zeros((0, 2), np.int64)]
    if len(keys) == 0:
        return found[0]
    size = 1.0 + np.abs(fingerprints).max(axis=1)
    # Two fingerprints closer than the tolerance are closer than 2·tolerance along any one feature scaled by
    # the size: sort along the most varied one and compare neighbours in that order.
    scaled = fingerprints / size[:, None]
    along = scaled[:, int(np.argmax(scaled.std(axis=0)))]
    order = np.lexsort((along, keys))
    k, x = keys[order], along[order]
    alive, step = np.arange(len(order)), 0
    while len(alive):
        step += 1
        alive = alive[alive + step < len(order)]
        later = alive + step
        alive = alive[(k[later] == k[alive]) & (x[later] - x[alive] < 2 * tolerance)]
        for some in np.array_split(alive, 1 + len(alive) // 100_000):
            i, j = order[some], order[some + step]
            near = distance(fingerprints[i], fingerprints[j]) < tolerance
            found.append(np.sort(np.stack([i[near], j[near]], axis=1), axis=1))
    return np.concatenate(found)


def first_of_kind(n: int, pairs: Int[np.ndarray, "pairs 2"]) -> Int[np.ndarray, " structures"]:
    """For each of ``n`` structures the smallest number of those it is the same as, directly or in a chain."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    _, component = connected_components(links, directed=False)
    first = np.full(component.max(initial=-1) + 1, n)
    np.minimum.at(first, component, np.arange(n))
    return first[component]


def _expected_edges(s: Structures, cutoff: float) -> np.ndarray:
    """Edges of each structure at its mean density, for cutting batches."""
    counts = s.counts.cpu().numpy().astype(float)
    volume = s.volume.detach().cpu().double().numpy()
    inside = 4.19 * cutoff**3
    crystal = counts * (counts / np.maximum(np.nan_to_num(volume, nan=np.inf), 1.0)) * inside
    return np.where(np.isfinite(volume), crystal, np.minimum(counts**2, counts * 60)) + 1


def _features(angles: bool) -> int:
    return 2 * RADIAL * 3 + (2 * 2 * ANGULAR * DEGREES if angles else 0)


def _weights(numbers: Tensor) -> Tensor:
    """w: 1, and a number in 0.5 … 1.5 that is well apart for all elements."""
    z = numbers.double()
    return torch.stack([torch.ones_like(z), 0.5 + (z * _GOLDEN) % 1.0], dim=1)


def _radial(r: Tensor, n: int, cutoff: float) -> Tensor:
    """Gaussians from 0.5 Å to the cutoff that go to zero there with two derivatives."""
    centres = torch.linspace(0.5, cutoff - 0.5, n, dtype=r.dtype)
    width = float(centres[1] - centres[0])
    cut = (1 - (r / cutoff) ** 2).clamp_min(0) ** 3
    return cut[:, None] * torch.exp(-0.5 * ((r[:, None] - centres) / width) ** 2)


def _fingerprints(s: Structures, angles: bool, cutoff: float) -> Tensor:
    g = neighbour_graph(s, cutoff)
    vectors = g.vectors.detach().double()
    r = vectors.norm(dim=1)
    kept = r > 1e-3
    vectors, r, centre = vectors[kept], r[kept], g.centre[kept]
    w = _weights(s.numbers)
    w_j = w[g.neighbour[kept]]

    def summed(values: Tensor) -> Tensor:
        zero = torch.zeros(s.n_atoms, *values.shape[1:], dtype=torch.float64)
        return zero.index_add(0, centre, values)

    a = summed((w_j[:, :, None] * _radial(r, RADIAL, cutoff)[:, None, :]).flatten(1))
    linear, squares = [a, w[:, 1:] * a], [a**2]
    if angles:
        y = spherical_harmonics(vectors, DEGREES) / torch.tensor(
            [(2 * l + 1) ** 0.5 for l in range(DEGREES + 1) for _ in range(2 * l + 1)]
        )
        radial = (w_j[:, :, None] * _radial(r, ANGULAR, cutoff)[:, None, :]).flatten(1)
        lm = torch.stack([summed(radial * y[:, k : k + 1]) for k in range(1, (DEGREES + 1) ** 2)])
        p = [lm[l**2 - 1 : (l + 1) ** 2 - 1].square().sum(0) / (2 * l + 1) for l in range(1, DEGREES + 1)]
        p = torch.cat(p, dim=1)
        squares += [p, w[:, 1:] * p]

    def mean(values: list[Tensor]) -> Tensor:
        joined = torch.cat(values, dim=1)
        zero = torch.zeros(len(s), joined.shape[1], dtype=torch.float64)
        return zero.index_add(0, s.structure, joined) / s.counts[:, None]

    return torch.cat([mean(linear), mean(squares).sqrt()], dim=1)
