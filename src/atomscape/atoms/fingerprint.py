"""Fingerprints: numbers that two descriptions of one structure share, to find what stands twice.

A fingerprint does not change under rotation, reflection, translation and permutation, nor with the choice of
cell: a primitive cell, a supercell and a sheared cell of one crystal have the same. For each atom i, with
neighbours j closer than R, weights w of elements and smooth radial functions g,

    A[a, n] = Σ_j w_a(Z_j) g_n(r_ij)        P[a, n, l] = Σ_m (Σ_j w_a(Z_j) g_n(r_ij) Y_lm(r_ij))² / (2l + 1)²

and over the atoms of the structure the means of A and w(Z_i) A, quantiles of A and, where angles are asked
for, the root means of P and w(Z_i) P, all divided by 1 + the largest of them; and the mean distance of the
first, second, … neighbour in Å (average minimum distances: D. Widdowson, M. Mosca, A. Pulido, A. Cooper,
V. Kurlin, MATCH Commun. Math. Comput. Chem. 87, 529 (2022)). What differs by distances of δ Å differs in its
fingerprint by about δ. Different structures can share a fingerprint only if they have the same neighbourhoods
up to R and the same composition, which ``formulas.reduced_formulas`` tells.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.structures import Structures
from atomscape.o3.harmonics import spherical_harmonics
from atomscape.shapes import Bool, Float, Int, Tensor

CUTOFF = 5.0
"""R in Å."""

RADIAL, ANGULAR = 8, 4
"""Number of radial functions without and with angles."""

DEGREES = 4
"""Largest l of P."""

NEIGHBOURS = 16
QUANTILES = 8
"""Without them, moves of single atoms in a large cell would average out."""

SAME = 0.005
"""Distance of fingerprints (about Å) below which two structures count as the same."""

VARIED = 6
"""Features by which matches are looked for before all are compared."""

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


def distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Largest difference of fingerprints [pairs, features], in units of about one Å of distances of atoms."""
    return np.abs(a - b).max(axis=-1)


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
    if len(keys) == 0:
        return np.zeros((0, 2), np.int64)
    pairs = _tree(keys, fingerprints, tolerance).query_pairs(tolerance, p=np.inf, output_type="ndarray")
    near = [np.zeros(0, dtype=bool)]
    for some in np.array_split(pairs, 1 + len(pairs) // 100_000):
        near.append(distance(fingerprints[some[:, 0]], fingerprints[some[:, 1]]) < tolerance)
    return pairs[np.concatenate(near)].astype(np.int64)


def has_match(
    keys: Int[np.ndarray, " structures"],
    fingerprints: Float[np.ndarray, "structures features"],
    tolerance: float = SAME,
) -> Bool[np.ndarray, " structures"]:
    """Whether a structure may have a match: one of equal key, close in the most varied features."""
    if len(keys) < 2:
        return np.zeros(len(keys), dtype=bool)
    tree = _tree(keys, fingerprints, tolerance)
    second = tree.query(tree.data, k=2, p=np.inf, distance_upper_bound=1.001 * tolerance)[0]
    return np.isfinite(second[:, 1])


def _tree(keys: np.ndarray, fingerprints: np.ndarray, tolerance: float) -> KDTree:
    """Structures as points: the most varied features, and keys so far apart that no two match."""
    varied = np.argsort(-fingerprints.std(axis=0))[:VARIED]
    points = np.concatenate([10 * tolerance * keys[:, None], fingerprints[:, varied]], axis=1)
    return KDTree(points, balanced_tree=False)


def first_of_kind(n: int, pairs: Int[np.ndarray, "pairs 2"]) -> Int[np.ndarray, " structures"]:
    """For each of ``n`` structures the smallest number of those it is the same as, directly or in a chain."""
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
    return NEIGHBOURS + 2 * RADIAL * (2 + QUANTILES) + (2 * 2 * ANGULAR * DEGREES if angles else 0)


def _weights(numbers: Tensor) -> Tensor:
    """w: 1, and a number in 0.5 … 1.5 that is well apart for all elements."""
    z = numbers.double()
    return torch.stack([torch.ones_like(z), 0.5 + (z * _GOLDEN) % 1.0], dim=1)


def _radial(r: Tensor, n: int, cutoff: float) -> Tensor:
    """Gaussians from 0.5 Å to the cutoff that go to zero there with two derivatives."""
    centres = torch.linspace(0.5, cutoff - 0.5, n, dtype=r.dtype)
    width = float(centres[1] - centres[0])
    # Shells hold about r² neighbours; without the weight the far ones would drown the bonds.
    cut = (1 - (r / cutoff) ** 2).clamp_min(0) ** 3 / (1 + (r / 1.5) ** 2)
    return cut[:, None] * torch.exp(-0.5 * ((r[:, None] - centres) / width) ** 2)


def _fingerprints(s: Structures, angles: bool, cutoff: float) -> Tensor:
    g = neighbour_graph(s, cutoff)
    vectors = g.vectors.detach().double()
    r = vectors.norm(dim=1)
    kept = r > 1e-3
    vectors, r, w = vectors[kept], r[kept], _weights(s.numbers)
    first = torch.cat([kept.new_zeros(1, dtype=torch.int64), kept.long().cumsum(0)])[g.row_offsets]
    w_j = w[g.neighbour[kept]].numpy()
    sums = [
        csr_array((w_j[:, k], np.arange(len(w_j)), first.numpy()), shape=(s.n_atoms, len(w_j)))
        for k in (0, 1)
    ]
    radial = _radial(r, RADIAL, cutoff).numpy()
    a = torch.from_numpy(np.concatenate([m @ radial for m in sums], axis=1))
    parts = [_mean(s, torch.cat([a, w[:, 1:] * a], dim=1)), _quantiles(s, a)]
    if angles:
        y = spherical_harmonics(vectors, DEGREES)[:, 1:]
        y = (
            y / torch.tensor([(2 * l + 1) ** 0.5 for l in range(1, DEGREES + 1) for _ in range(2 * l + 1)])
        ).numpy()
        radial = _radial(r, ANGULAR, cutoff).numpy()
        lm = [np.stack([m @ (radial[:, n : n + 1] * y) for m in sums]) for n in range(ANGULAR)]
        squares = torch.from_numpy(np.stack(lm)).square().reshape(2 * ANGULAR, s.n_atoms, -1)
        p = [squares[..., l**2 - 1 : (l + 1) ** 2 - 1].sum(2).T / (2 * l + 1) for l in range(1, DEGREES + 1)]
        p = torch.cat(p, dim=1)
        parts.append(_mean(s, torch.cat([p, w[:, 1:] * p], dim=1)).sqrt())
    block = torch.cat(parts, dim=1)
    block = block / (1 + block.abs().max(dim=1, keepdim=True).values)
    return torch.cat([block, _mean(s, _nearest(r, g.centre[kept], first, s.n_atoms, cutoff))], dim=1)


def _nearest(r: Tensor, centre: Tensor, first: Tensor, n_atoms: int, cutoff: float) -> Tensor:
    """Distances of the first ``NEIGHBOURS`` neighbours of each atom, the cutoff where there are fewer."""
    order = np.lexsort((r.numpy(), centre.numpy()))
    owner = centre.numpy()[order]
    rank = np.arange(len(order)) - first.numpy()[owner]
    near = rank < NEIGHBOURS
    found = np.full((n_atoms, NEIGHBOURS), cutoff)
    found[owner[near], rank[near]] = r.numpy()[order[near]]
    return torch.from_numpy(found)


def _mean(s: Structures, values: Tensor) -> Tensor:
    """Mean over the atoms of each structure."""
    zero = torch.zeros(len(s), values.shape[1], dtype=values.dtype)
    return zero.index_add(0, s.structure, values) / s.counts[:, None]


def _quantiles(s: Structures, values: Tensor) -> Tensor:
    """Values at the fractions (2k + 1)/16 of the sorted atoms of each structure; the same in a supercell."""
    part = np.arange(1, 2 * QUANTILES, 2) / (2 * QUANTILES)
    counts = s.counts.numpy()
    place = s.offsets.numpy()[:-1, None] + np.ceil(counts[:, None] * part).astype(np.int64) - 1
    owner = s.structure.numpy()
    columns = [v[np.lexsort((v, owner))][place] for v in values.T.numpy()]
    return torch.from_numpy(np.concatenate(columns, axis=1))
