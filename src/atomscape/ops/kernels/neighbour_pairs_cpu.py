"""Neighbour search on CPUs: a batch in one call, on torch's threads; see ``ops/jit/neighbour_search.py``."""

from __future__ import annotations

import importlib.util
from functools import cache

import numpy as np
import torch

from atomscape.ops.jit.axes import check_axes
from atomscape.ops.jit.compile import address_of
from atomscape.ops.jit.neighbour_layout import COUNT, INFO, LONGEST, MOST_IMAGES, PADDING, PARTS, WRAP, WRITE
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
    if positions.device.type != "cpu":
        return f"positions are on {positions.device.type}, not on the CPU"
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
    given = {"positions": positions, "cell": cell, "pbc": pbc, "offsets": offsets}
    check_axes("neighbour_pairs", _AXES, given, {"structures_and_one": len(cell) + 1})
    x, cell = positions.detach().double().contiguous(), cell.detach().double()
    offsets = offsets.long().contiguous()
    _check(offsets, len(x), cutoff)
    dual, cell = dual_vectors(cell, pbc).contiguous(), cell.contiguous()
    n, structures = len(x), len(cell)
    limit = torch.tensor([cutoff], dtype=torch.float64)
    wrapped, fraction, moved = x.new_empty(n, 3), x.new_empty(n, 3), x.new_empty(n, 3, dtype=torch.int32)
    info, images = x.new_empty(structures, INFO), offsets.new_zeros(structures)
    known = x, cell, dual, offsets, limit, wrapped, fraction, moved, info, images
    head = [*(t.data_ptr() for t in known), structures, n]
    threads = threads_for(_WORK * n)
    run_on_team(_kernel(), [*head, WRAP], threads if structures > 1 else 1)
    size = _most(images, cutoff) + PADDING
    rows, memory = offsets.new_zeros(n + 1), x.new_empty(threads, PARTS * size)
    tail = [memory.data_ptr(), size]
    run_on_team(_kernel(), [*head, COUNT, rows.data_ptr(), 0, 0, 0, *tail], threads)
    torch.cumsum(rows, 0, out=rows)
    edges = int(rows[-1])
    centre, neighbour, shift = _room(edges), _room(edges), _room(edges, 3)
    places = [t.data_ptr() for t in (rows, centre, neighbour, shift)]
    run_on_team(_kernel(), [*head, WRITE, *places, *tail], threads)
    return centre, neighbour, shift


def _check(offsets: Tensor, atoms: int, cutoff: float) -> None:
    """Refuse what would make the search read other memory, or go on for ever."""
    bounds = offsets.numpy()
    if bounds[0] != 0 or bounds[-1] != atoms or (np.diff(bounds) < 0).any():
        raise ValueError(
            f"offsets run from {bounds[0]} to {bounds[-1]}; they must ascend from 0 to {atoms} atoms"
        )
    if not 0 <= cutoff < LONGEST:
        raise ValueError(f"cutoff of {cutoff} Å asked for; it must be finite (below 1e100) and not negative")


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


def _most(images: Tensor, cutoff: float) -> int:
    """Most images that a structure can have, refused where they cannot be numbered."""
    if len(images) == 0:
        return 0
    least, most = (int(v) for v in torch.aminmax(images))
    if least < 0:
        raise ValueError(
            f"structure {int(images.argmin())} has an atom 10⁹ or more cells from the one at the origin, "
            "or a position that is not finite (or beyond 1e100 Å); wrap its positions into the cell."
        )
    if most > MOST_IMAGES:
        raise ValueError(
            f"structure {int(images.argmax())} has more than {MOST_IMAGES:.1e} periodic images within the "
            f"cutoff of {cutoff} Å; ask for a smaller cutoff."
        )
    return most
