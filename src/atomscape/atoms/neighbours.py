"""Neighbour search: which atoms, and which periodic images of atoms, lie within a cutoff of each atom.

Two ways serve a batch. Structures that are not periodic and small are searched together, all pairs of each
one in one padded array; everything else goes through vesin's cell list, one structure at a time. Both judge a
pair by the same float64 arithmetic, r² < cutoff², so the graph does not depend on the way taken, and an edge
always has its reverse. ``brute_force_graph`` is the readable reference for both.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from vesin import NeighborList

from atomscape.atoms.cells import completed
from atomscape.atoms.graph import Graph
from atomscape.atoms.structures import Structures
from atomscape.atoms.validate import check_cells

DENSE_ATOMS = 256
"""Largest non-periodic structure searched by all pairs."""

_DENSE_PAIRS = 1 << 18
_MARGIN = 1 + 1e-9

Edges = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Centre, neighbour [edges] and shift [edges, 3] of a set of directed edges."""

_NOTHING: Edges = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 3), np.int64))


def neighbour_graph(structures: Structures, cutoff: float) -> Graph:
    """Return all directed pairs with 0 ≤ r < ``cutoff`` (Å), sorted by centre, neighbour and shift.

    Periodic images count as neighbours, those of the atom itself too; cells may be small or skewed, atoms may
    lie outside the cell, and any subset of the three directions may be periodic.

    Raises
    ------
    ValueError
        The cutoff is not positive, a position is not finite, or a periodic cell is singular.
    """
    x, cell, pbc, counts = _arrays(structures, cutoff)
    dense = ~pbc.any(1) & (counts <= DENSE_ATOMS)
    first = np.cumsum(counts) - counts
    parts = _search_dense(x, first, counts, np.flatnonzero(dense), cutoff)
    parts.append(_search_cells(x, first, counts, cell, pbc, np.flatnonzero(~dense), cutoff))
    return _graph(structures, _joined(parts), cutoff)


def brute_force_graph(structures: Structures, cutoff: float) -> Graph:
    """Return the same graph as ``neighbour_graph`` by trying every pair with every image in reach.

    Cost grows as atoms² × images: a reference for tests and for reading, not for work.
    """
    x, cell, pbc, counts = _arrays(structures, cutoff)
    parts, first = [_NOTHING], 0
    for n, lattice, periodic in zip(counts.tolist(), cell, pbc, strict=True):
        here = np.arange(first, first + n)
        i, j = (k.ravel() for k in np.meshgrid(here, here, indexing="ij"))
        lattices = np.broadcast_to(lattice, (n * n, 3, 3))
        for shift in images_in_reach(x[here], lattice, periodic, cutoff):
            other = (i != j) | shift.any()
            pairs = i[other], j[other], np.broadcast_to(shift, (other.sum(), 3))
            parts.append(_near(x, lattices[other], pairs, cutoff))
        first += n
    return _graph(structures, _sorted(*_concatenated(parts)), cutoff)


def images_in_reach(positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray, cutoff: float) -> np.ndarray:
    """Integer shifts [images, 3] that may bring some atom within ``cutoff`` of another.

    Planes of fractional coordinate f_k are 1/|b_k| apart, b_k a column of the inverse cell; atoms that
    differ by Δf_k are therefore at least |Δf_k + s_k| / |b_k| apart, whatever the skew of the cell.
    """
    inverse = np.linalg.inv(completed(cell[None], pbc[None])[0])
    fractional = positions @ inverse
    spread = np.ptp(fractional, axis=0) if len(positions) else np.zeros(3)
    reach = np.ceil(spread + cutoff * np.linalg.norm(inverse, axis=0)).astype(int) * pbc
    grids = np.meshgrid(*(np.arange(-k, k + 1) for k in reach), indexing="ij")
    return np.stack(grids, axis=-1).reshape(-1, 3)


def _arrays(structures: Structures, cutoff: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Positions, cells (float64), periodicity and sizes on the CPU, checked."""
    if not cutoff > 0:
        raise ValueError(f"cutoff of {cutoff} Å asked for; a neighbour graph needs a positive one.")
    x = structures.positions.detach().cpu().double().numpy()
    cell = structures.cell.detach().cpu().double().numpy()
    pbc = structures.pbc.cpu().numpy()
    counts = structures.counts.cpu().numpy()
    check_cells(x, cell, pbc, counts)
    return x, cell, pbc, counts


def _near(x: np.ndarray, cell: np.ndarray, edges: Edges, cutoff: float) -> Edges:
    """Edges shorter than the cutoff, ``cell`` given per edge; both ends of a pair judge it alike.

    Reversing an edge negates every term of its vector exactly, so its length is the same number.
    """
    i, j, s = edges
    d = x[j] - x[i]
    for k in range(3):
        d += s[:, k, None] * cell[:, k]
    near = np.einsum("ek,ek->e", d, d) < cutoff**2
    return i[near], j[near], s[near]


def _search_dense(
    x: np.ndarray, first: np.ndarray, counts: np.ndarray, chosen: np.ndarray, cutoff: float
) -> list[Edges]:
    """All pairs of small non-periodic structures, padded with NaN: it is within no distance of anything."""
    chosen = chosen[np.argsort(counts[chosen], kind="stable")]
    parts = []
    while len(chosen):
        width = int(counts[chosen[-1]])
        rows = max(1, _DENSE_PAIRS // max(width, 1) ** 2)
        block, chosen = chosen[-rows:], chosen[:-rows]
        parts.append(_search_block(x, first[block], counts[block], width, cutoff))
    return parts


def _search_block(x: np.ndarray, first: np.ndarray, counts: np.ndarray, width: int, cutoff: float) -> Edges:
    slots = np.arange(width)
    filled = slots < counts[:, None]
    r = np.full((len(first), width, 3), np.nan)
    r[filled] = x[(first[:, None] + slots)[filled]]
    squared = np.zeros((len(first), width, width))
    for k in range(3):
        squared += np.square(r[:, None, :, k] - r[:, :, None, k])
    squared[:, slots, slots] = np.inf
    b, i, j = np.nonzero(squared < cutoff**2)
    return first[b] + i, first[b] + j, np.zeros((len(b), 3), dtype=np.int64)


def _search_cells(
    x: np.ndarray,
    first: np.ndarray,
    counts: np.ndarray,
    cell: np.ndarray,
    pbc: np.ndarray,
    chosen: np.ndarray,
    cutoff: float,
) -> Edges:
    """Edges of other structures: vesin finds them in a slightly larger cutoff, our arithmetic judges them."""
    search = NeighborList(cutoff=cutoff * _MARGIN, full_list=True, n_threads=1)
    full = completed(cell[chosen], pbc[chosen])
    parts, owner = [_NOTHING], []
    for k, s in enumerate(chosen.tolist()):
        here = x[first[s] : first[s] + counts[s]]
        pair, shift = search.compute(here, full[k], pbc[s], "PS", copy=False)
        pair = pair.astype(np.int64) + first[s]
        parts.append((pair[:, 0], pair[:, 1], shift.astype(np.int64)))
        owner.append(np.full(len(pair), s))
    edges = _concatenated(parts)
    cells = cell[np.concatenate([np.zeros(0, np.int64), *owner])]
    return _sorted(*_near(x, cells, edges, cutoff))


def _sorted(i: np.ndarray, j: np.ndarray, s: np.ndarray) -> Edges:
    """Edges by centre, neighbour and shift; the five numbers are packed into one key where they fit."""
    if len(i) == 0:
        return i, j, s
    low, high = s.min(0), s.max(0)
    ranges = [int(i.max()) + 1, int(j.max()) + 1, *(high - low + 1).tolist()]
    if math.prod(ranges) < 2**62:
        order = np.argsort(np.ravel_multi_index((i, j, *(s - low).T), ranges))
    else:
        order = np.lexsort((s[:, 2], s[:, 1], s[:, 0], j, i))
    return i[order], j[order], s[order]


def _joined(parts: list[Edges]) -> Edges:
    """Sets of edges of different structures, each set sorted, as one sorted set."""
    i, j, s = _concatenated(parts)
    if (i[1:] >= i[:-1]).all():
        return i, j, s
    order = np.argsort(i, kind="stable")
    return i[order], j[order], s[order]


def _concatenated(parts: list[Edges]) -> Edges:
    i, j, s = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return i, j, s


def _graph(structures: Structures, edges: Edges, cutoff: float) -> Graph:
    centre, neighbour, shift = (torch.from_numpy(e).to(structures.device) for e in edges)
    return Graph(structures, centre, neighbour, shift, float(cutoff))
