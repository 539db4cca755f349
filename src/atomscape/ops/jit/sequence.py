"""The order in which a kernel takes edges: by rows of its result, cut into slices of whole rows."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import torch

from atomscape.ops.jit.compile import address_of
from atomscape.ops.jit.lanes import Program, Value
from atomscape.ops.jit.launch import call
from atomscape.shapes import Int, Tensor


class Sequence(NamedTuple):
    """Edges ordered by one of their atoms, their key; slices are about equal, and no row is in two.

    ``windows`` holds the lowest of the slice's other atoms, and the highest plus one.
    """

    order: Int[Tensor, " edges"]
    bounds: Int[Tensor, " slices_and_one"]
    windows: Int[Tensor, "slices 2"]


_ARGUMENTS = ("key", "other", "order", "counts", "bounds", "windows", "fine", "edges", "rows", "slices")


def sequence(key: Int[Tensor, " edges"], other: Int[Tensor, " edges"], rows: int, slices: int) -> Sequence:
    """Order edges by ``key`` (int64) with a stable counting sort, and check both indices against ``rows``.

    Raises
    ------
    IndexError
        An index is negative, or not below ``rows``.
    """
    made = Sequence(torch.empty_like(key), key.new_zeros(slices + 1), key.new_zeros(slices, 2))
    fine = key.new_zeros(1)
    given = {**made._asdict(), "key": key, "other": other, "counts": key.new_zeros(rows + 1), "fine": fine}
    call(_address(), _ARGUMENTS, given | {"edges": len(key), "rows": rows, "slices": slices}, 1)
    if not fine.item():
        low, high = int(min(key.min(), other.min())), int(max(key.max(), other.max()))
        raise IndexError(
            f"edges join atoms {low} … {high}, but features are given for {rows} atoms: "
            f"centre and neighbour must be 0 … {rows - 1}"
        )
    return made


@cache
def _address() -> int:
    return address_of("counting_sort", (), _write)


def _write() -> str:
    p = Program("counting_sort", "double", 2)
    key, other, order, counts, bounds, windows, fine = (p.pointer(k) for k in range(7))
    edges, rows, slices = (p.integer(k) for k in range(7, 10))
    outside = p.variable(p.like(0, edges))
    with p.range(0, edges) as e:
        for index in (key, other):
            at = p.read(index, e, "i64")
            with p.when(p.either(p.compare("lt", at, 0), p.compare("ge", at, rows))):
                outside.set(p.like(1, edges))
    with p.when(p.compare("eq", outside.get(), 0)):
        p.put(p.like(1, edges), fine, 0)
        _sort(p, key, order, counts, edges, rows)
        with p.range(0, slices + 1) as s:
            p.put(_row_start(p, edges * s / slices, edges, key, order), bounds, s)
        with p.range(0, slices) as s:
            _window(p, s, bounds, other, order, windows)
    return p.text


def _sort(p: Program, key: Value, order: Value, counts: Value, edges: Value, rows: Value) -> None:
    with p.range(0, edges) as e:
        after = p.read(key, e, "i64") + 1
        p.put(p.read(counts, after, "i64") + 1, counts, after)
    with p.range(1, rows + 1) as row:
        p.put(p.read(counts, row, "i64") + p.read(counts, row - 1, "i64"), counts, row)
    with p.range(0, edges) as e:
        row = p.read(key, e, "i64")
        place = p.read(counts, row, "i64")
        p.put(e, order, place)
        p.put(place + 1, counts, row)


def _row_start(p: Program, guess: Value, edges: Value, key: Value, order: Value) -> Value:
    """Place of the first edge from ``guess`` on that begins a row."""
    at = p.variable(guess)
    with p.loop() as again:
        e = at.get()
        again.unless(p.both(p.compare("gt", e, 0), p.compare("lt", e, edges)))
        before, here = (p.read(key, p.read(order, k, "i64"), "i64") for k in (e - 1, e))
        again.unless(p.compare("eq", before, here))
        at.set(e + 1)
    return at.get()


def _window(p: Program, s: Value, bounds: Value, other: Value, order: Value, windows: Value) -> None:
    start, stop = p.read(bounds, s, "i64"), p.read(bounds, s + 1, "i64")
    with p.when(p.compare("lt", start, stop)):
        first = p.read(other, p.read(order, start, "i64"), "i64")
        low, high = p.variable(first), p.variable(first)
        with p.range(start, stop) as e:
            atom = p.read(other, p.read(order, e, "i64"), "i64")
            low.set(p.smaller(low.get(), atom))
            high.set(p.larger(high.get(), atom))
        p.put(low.get(), windows, s * 2)
        p.put(high.get() + 1, windows, s * 2 + 1)
