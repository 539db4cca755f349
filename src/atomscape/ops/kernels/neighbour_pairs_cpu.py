"""Neighbour search on CPUs: a batch in one call, on torch's threads; see ``ops/jit/neighbour_search.py``."""

from __future__ import annotations

import ctypes
import importlib.util
from functools import cache
from itertools import accumulate

import numpy as np
import torch

from atomscape.ops.jit.axes import check_axes
from atomscape.ops.jit.compile import address_of
from atomscape.ops.jit.neighbour_layout import (
    COUNT,
    FAR,
    INFO,
    LONGEST,
    MISPLACED,
    MOST_IMAGES,
    PADDING,
    PARTS,
    WRAP,
    WRITE,
)
from atomscape.ops.jit.team import run as run_on_team
from atomscape.ops.jit.team import threads_for
from atomscape.ops.neighbours import dual_vectors
from atomscape.shapes import Bool, Float, Int, Tensor

_AXES = {
    "positions": "atoms 3",
    "cell": "structures 3 3",
    "pbc": "structures 3",
    "offsets": "structures_and_one",
}
_WORK = 100.0  # per atom, in multiplications; less than it takes, for threads are woken three times


def serves(positions: Tensor, cell: Tensor, pbc: Tensor, offsets: Tensor, cutoff: float) -> str | None:
    """Everything on a CPU."""
    for name, t in (("positions", positions), ("cell", cell), ("pbc", pbc), ("offsets", offsets)):
        if not t.is_cpu:
            return f"{name}: on {t.device.type}, not on the CPU"
    if offsets.dtype not in (torch.int32, torch.int64):
        return f"offsets are {offsets.dtype}, neither int32 nor int64"
    if not _numba():
        return "numba is not installed; it writes the native code"
    return None


def run(
    positions: Float[Tensor, "atoms 3"],
    cell: Float[Tensor, "structures 3 3"],
    pbc: Bool[Tensor, "structures 3"],
    offsets: Int[Tensor, " rows"],
    cutoff: float,
) -> tuple[Int[Tensor, " edges"], Int[Tensor, " edges"], Int[Tensor, "edges 3"]]:
    """Wrap, count, write.

    Raises
    ------
    ValueError
        Shapes do not fit, offsets do not divide the atoms, a number is not finite, atoms are so far outside
        their cell, or the cutoff is so large, that images cannot be numbered.
    """
    _check(positions, cell, pbc, offsets, cutoff)
    x, cell = (t.detach().double().resolve_neg() for t in (positions, cell))
    x = x.contiguous()
    dual, cell, offsets = dual_vectors(cell, pbc).contiguous(), cell.contiguous(), offsets.long().contiguous()
    n, structures = len(x), len(cell)
    images, rows, addresses = _scratch(n, structures)
    limit = ctypes.c_double(cutoff)
    head = [*(t.data_ptr() for t in (x, cell, dual, offsets)), ctypes.addressof(limit), *addresses]
    head += [structures, n]
    threads, kernel = threads_for(_WORK * n), _kernel()
    run_on_team(kernel, [*head, WRAP], threads if structures > 1 else 1)
    size = _most(images.tolist(), cutoff, offsets, n) + PADDING
    memory = x.new_empty(threads * PARTS * size)
    tail = [memory.data_ptr(), size]
    run_on_team(kernel, [*head, COUNT, 0, 0, 0, *tail], threads)
    np.cumsum(rows, out=rows)
    edges = int(rows[-1])
    centre, neighbour, shift = _room(edges), _room(edges), _room(edges, 3)
    places = [t.data_ptr() for t in (centre, neighbour, shift)]
    run_on_team(kernel, [*head, WRITE, *places, *tail], threads)
    return centre, neighbour, shift


def _check(positions: Tensor, cell: Tensor, pbc: Tensor, offsets: Tensor, cutoff: float) -> None:
    """Refuse shapes that do not fit, and what would make the search go on for ever."""
    given = {"positions": positions, "cell": cell, "pbc": pbc, "offsets": offsets}
    check_axes("neighbour_pairs", _AXES, given, {"structures_and_one": len(cell) + 1})
    if not 0 <= cutoff < LONGEST:
        raise ValueError(f"cutoff of {cutoff} Å asked for; it must be finite (below 1e100) and not negative")


def _scratch(atoms: int, structures: int) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Images of each structure, rows of edges, and the addresses of these and of all that steps share.

    It is one piece of memory: for a molecule, asking for several would take longer than the search. Behind
    images and rows come positions and fractions of wrapped atoms, cells that they were moved, and ``info``.
    """
    sizes = structures, atoms + 1, 3 * atoms, 3 * atoms, 2 * atoms, INFO * structures
    memory = np.empty(sum(sizes), np.int64)
    start = memory.ctypes.data
    addresses = [start + 8 * before for before in accumulate(sizes[:-1], initial=0)]
    images, rows = memory[:structures], memory[structures : structures + atoms + 1]
    rows[0] = 0
    return images, rows, addresses


@cache
def _numba() -> bool:
    return importlib.util.find_spec("numba") is not None


@cache
def _kernel() -> int:
    """Address of the native search; it is compiled once per machine."""

    def write() -> str:
        from atomscape.ops.jit.neighbour_search import program
        from atomscape.ops.jit.scalar import written

        return written(program, "neighbour_search")

    return address_of("neighbour_search", (), write)


def _room(*shape: int) -> Tensor:
    """Memory for whole numbers; NumPy asks for it in large pages, which cost a third when first touched."""
    return torch.from_numpy(np.empty(shape, np.int64))


def _most(images: list[int], cutoff: float, offsets: Tensor, atoms: int) -> int:
    """Most images that a structure can have, refused where they cannot be numbered."""
    least, most = min(images, default=0), max(images, default=0)
    if least == MISPLACED or (not images and atoms):
        first, last = int(offsets[0]), int(offsets[-1])
        raise ValueError(f"offsets run from {first} to {last}; they must ascend from 0 to {atoms} atoms")
    if least == FAR:
        raise ValueError(
            f"structure {images.index(least)} has an atom 10⁹ or more cells from the one at the origin, or a "
            "position or cell that is not finite (or beyond 1e100 Å); wrap its positions into the cell."
        )
    if most > MOST_IMAGES:
        raise ValueError(
            f"structure {images.index(most)} has more than {MOST_IMAGES:.1e} periodic images within the "
            f"cutoff of {cutoff} Å; ask for a smaller cutoff."
        )
    return most
