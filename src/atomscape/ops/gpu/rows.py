"""Where the edges of each atom begin, for edges sorted by that atom (CSR), and whether they are valid."""

from __future__ import annotations

import torch

from atomscape.ops.gpu.launch import on, programs
from atomscape.ops.gpu.library import operator
from atomscape.ops.gpu.source import kernel
from atomscape.shapes import Bool, Int, Tensor

BLOCK = 256
TEXT = """\
def rows(sorted_atom, other, first, valid, atoms, edges, steps, BLOCK: tl.constexpr):
    # Each lane searches one atom's first edge by bisection, and checks one edge.
    lane = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    low = tl.zeros([BLOCK], tl.int64)
    high = low + edges
    for _ in range(steps):
        middle = (low + high) // 2
        searching = low < high
        below = searching & (tl.load(sorted_atom + middle, mask=searching, other=0) < lane)
        low = tl.where(below, middle + 1, low)
        high = tl.where(searching & ~below, middle, high)
    tl.store(first + lane, low, mask=lane <= atoms)
    is_edge = lane < edges
    here = tl.load(sorted_atom + lane, mask=is_edge, other=0)
    before = tl.load(sorted_atom + lane - 1, mask=is_edge & (lane > 0), other=0)
    there = tl.load(other + lane, mask=is_edge, other=0)
    ascends = (before <= here) & (here >= 0) & (here < atoms)
    tl.store(valid + lane, ascends & (there >= 0) & (there < atoms), mask=is_edge)
"""


def _run(sorted_atom: Tensor, other: Tensor, atoms: int) -> tuple[Tensor, Tensor]:
    edges = sorted_atom.shape[0]
    parts = programs(max(edges, atoms + 1), BLOCK)
    first = sorted_atom.new_empty(atoms + 1, dtype=torch.int64)
    valid = sorted_atom.new_empty(edges, dtype=torch.bool)
    with on(sorted_atom):
        kernel(TEXT)[(parts,)](
            sorted_atom.contiguous(),
            other.contiguous(),
            first,
            valid,
            atoms,
            edges,
            edges.bit_length(),
            BLOCK=BLOCK,
        )
    return first, valid


def _fake(sorted_atom: Tensor, other: Tensor, atoms: int) -> tuple[Tensor, Tensor]:
    first = sorted_atom.new_empty(atoms + 1, dtype=torch.int64)
    return first, sorted_atom.new_empty(sorted_atom.shape[0], dtype=torch.bool)


_operator = operator(
    "edge_rows_triton(Tensor sorted_atom, Tensor other, SymInt atoms) -> (Tensor, Tensor)", _run, _fake
)


def rows(
    sorted_atom: Int[Tensor, " edges"], other: Int[Tensor, " edges"], atoms: int
) -> tuple[Int[Tensor, " rows"], Bool[Tensor, " edges"]]:
    """First edge of each atom and the number of edges at the end; and which edges are valid.

    Valid: ``sorted_atom`` does not descend here, and both ends of the edge are atoms.
    """
    return _operator(sorted_atom, other, atoms)
