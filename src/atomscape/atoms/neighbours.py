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
_MARGIN = 1e-9

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
    if not dense.all():
        parts.append(_search_cells(x, first, counts, cell, pbc, np.flatnonzero(~dense), cutoff))
    return _graph(structures, _joined(parts or [_NOTHING]), cutoff)


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
            near = _near(x, lattices[other], pairs, cutoff)
            parts.append((pairs[0][near], pairs[1][near], pairs[2][near]))
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


def _near(x: np.ndarray, cell: np.ndarray, edges: Edges, cutoff: float) -> np.ndarray:
    """Whether edges are shorter than the cutoff, ``cell`` given per edge; both ends of a pair judge it alike.

    Reversing an edge negates every term of its vector exactly, so its length is the same number.
    """
    i, j, s = edges
    d = x[j] - x[i]
    for k in range(3):
        d += s[:, k, None] * cell[:, k]
    return np.einsum("ek,ek->e", d, d) < cutoff**2


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
    """Edges of other structures: vesin finds them, our arithmetic judges those at the very cutoff."""
    search = NeighborList(cutoff=cutoff * (1 + _MARGIN), full_list=True, n_threads=1)
    full = completed(cell[chosen], pbc[chosen])
    parts, clear, owner = [_NOTHING], [np.zeros(0, bool)], [np.zeros(0, np.int64)]
    for k, s in enumerate(chosen.tolist()):
        here = x[first[s] : first[s] + counts[s]]
        pair, shift, length = search.compute(here, full[k], pbc[s], "PSd", copy=False)
        i, j = pair.T.astype(np.int64, order="C") + first[s]
        parts.append((i, j, shift.astype(np.int64)))
        clear.append(length < cutoff * (1 - _MARGIN))
        owner.append(np.full(len(pair), s))
    edges, inside = _concatenated(parts), np.concatenate(clear)
    if not inside.all():
        close = np.flatnonzero(~inside)
        cells = cell[np.concatenate(owner)[close]]
        inside[close] = _near(x, cells, (edges[0][close], edges[1][close], edges[2][close]), cutoff)
        edges = edges[0][inside], edges[1][inside], edges[2][inside]
    return _sorted(*edges)


def _sorted(i: np.ndarray, j: np.ndarray, s: np.ndarray) -> Edges:
    """Edges by centre, neighbour and shift; the five numbers are packed into one key where they fit."""
    if len(i) == 0:
        return i, j, s
    columns = [i, j, s[:, 0], s[:, 1], s[:, 2]]
    low = [int(c.min()) for c in columns]
    ranges = [int(c.max()) - a + 1 for c, a in zip(columns, low, strict=True)]
    if math.prod(ranges) < 2**62:
        key = i - low[0]
        for column, a, n in zip(columns[1:], low[1:], ranges[1:], strict=True):
            key *= n
            key += column
            key -= a
        order = np.argsort(key)
    else:
        order = np.lexsort(columns[::-1])
    return i.take(order), j.take(order), s.take(order, axis=0)


def _joined(parts: list[Edges]) -> Edges:
    """Sets of edges of different structures, each set sorted, as one sorted set."""
    i, j, s = _concatenated(parts)
    if (i[1:] >= i[:-1]).all():
        return i, j, s
    order = np.argsort(i, kind="stable")
    return i.take(order), j.take(order), s.take(order, axis=0)


def _concatenated(parts: list[Edges]) -> Edges:
    filled = [p for p in parts if len(p[0])]
    if len(filled) == 1:
        return filled[0]
    i, j, s = (np.concatenate(columns) for columns in zip(*(filled or parts), strict=True))
    return i, j, s


def _graph(structures: Structures, edges: Edges, cutoff: float) -> Graph:
    centre, neighbour, shift = (torch.from_numpy(e).to(structures.device) for e in edges)
    return Graph(structures, centre, neighbour, shift, float(cutoff))
