"""Edges as lanes: harmonics transposed, and the matrices M of as many edges at once as there are lanes."""

from __future__ import annotations

from atomscape.ops.jit.lanes import Program, Value
from atomscape.ops.jit.paths import Term

Slots = dict[tuple[int, int, int], int]
"""Row of the matrices' buffer for each (path, m3, m1)."""


def edges_as_lanes(
    p: Program, rows: Value, to: Value, order: Value, first: Value, count: Value, width: int
) -> None:
    """Transpose ``count`` rows of ``width`` numbers into ``to[column, lane]``; empty lanes become zero."""
    zero = p.constant(0)
    for m in range(width):
        p.store(zero, to, m * p.lanes)
    with p.range(0, count) as k:
        row = p.at(rows, p.read(order, first + k, "i64") * width)
        lane = p.at(to, k)
        if width <= 16:
            for m in range(width):
                p.put(p.read(row, m), lane, m * p.lanes)
        else:
            with p.range(0, width) as m:
                p.put(p.read(row, m), lane, m * p.lanes)


def make_matrices(p: Program, part: list[Term], Y: Value, to: Value) -> Slots:
    """Compute M of a group of paths for a vector of edges at once; equal entries are stored once."""
    rows: dict[int, Value] = {}
    kept: dict[tuple, int] = {}
    slots: Slots = {}
    for term in part:
        for (m3, m1), combination in term.entries.items():
            key = tuple(combination.items())
            if key not in kept:
                kept[key] = len(kept)
                p.store(_combine(p, combination, rows, Y), to, kept[key] * p.lanes)
            slots[term.path, m3, m1] = kept[key]
    return slots


def _combine(p: Program, combination: dict[int, float], rows: dict[int, Value], Y: Value) -> Value:
    total = None
    for m2, c in combination.items():
        if m2 not in rows:
            rows[m2] = p.load(Y, m2 * p.lanes)
        total = rows[m2] * c if total is None else p.fma(rows[m2], p.constant(c), total)
    assert total is not None
    return total


def matrices_size(parts: list[list[Term]], lanes: int) -> int:
    """Numbers that the matrices of the largest group need."""
    return max(sum(len(t.entries) for t in part) for part in parts) * lanes
