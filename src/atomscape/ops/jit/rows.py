"""Rows of memory as lanes and back: what lies as [points, columns] becomes one vector per column.

A kernel takes as many points at once as there are lanes. Their rows are transposed in registers, in tiles
whose width is a power of two, by a network of shuffles that merges two vectors into one at each step. The
last points, if they do not fill the lanes, go through a buffer: formulae never see a mask.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from atomscape.ops.jit.lanes import Program, Value

_DENSE = 4
"""Rows up to this width are picked from the memory of all points at once."""

_AHEAD = 2
"""Blocks between asking for wide rows and using them."""


@dataclass(frozen=True)
class Block:
    """As many points as there are lanes."""

    p: Program
    widths: Mapping[str, int]
    stream: bool
    at: dict[str, Value] = field(default_factory=dict)

    def read(self, name: str) -> list[Value]:
        """Columns of an argument."""
        return read_columns(self.p, self.at[name], self.widths[name])

    def write(self, name: str, columns: list[Value]) -> None:
        """Write columns of a result."""
        write_columns(self.p, columns, self.at[name], self.stream)


@contextmanager
def blocks(
    p: Program,
    points: Value,
    reads: Mapping[str, tuple[Value, int]],
    writes: Mapping[str, tuple[Value, int]],
    stream: bool = False,
) -> Iterator[Block]:
    """Loop over this thread's share of the points, block by block; arrays are given with their widths.

    With ``stream`` results go past the caches, which asks that they begin at a whole vector's address; wide
    ones, whose rows begin anywhere, are gathered in a buffer first.
    """
    arrays = {**reads, **writes}
    rest = {name: p.buffer(width * p.lanes) for name, (_, width) in arrays.items()}
    gathered = {name: array for name, array in writes.items() if stream and array[1] > _DENSE}
    count = (points + (p.lanes - 1)) / p.lanes
    with p.range(count * p.thread / p.threads, count * (p.thread + 1) / p.threads) as k:
        first = k * p.lanes
        left = points - first
        few = p.compare("lt", left, p.lanes)
        block = Block(p, {name: width for name, (_, width) in arrays.items()}, stream)
        with p.when(few):
            for name, (array, width) in reads.items():
                _copy(p, p.at(array, first * width), rest[name], left * width, width * p.lanes)
        for name, (array, width) in arrays.items():
            block.at[name] = p.select(few, rest[name], p.at(array, first * width))
            if name in reads and width > _DENSE:
                _ask_ahead(p, block.at[name], width)
            if name in gathered:
                block.at[name] = rest[name]
        yield block
        with p.when(few):
            for name, (array, width) in writes.items():
                _copy(p, rest[name], p.at(array, first * width), left * width)
        if gathered:
            with p.when(p.compare("ge", left, p.lanes)):
                for name, (array, width) in gathered.items():
                    with p.range(0, width * p.lanes, p.lanes) as n:
                        p.store(p.load(rest[name], n), p.at(array, first * width), n, stream=True)


def _ask_ahead(p: Program, rows: Value, width: int) -> None:
    with p.range(0, width * p.lanes, 64 // p.bytes) as k:
        p.prefetch(rows, k + _AHEAD * width * p.lanes)


def _copy(p: Program, source: Value, to: Value, count: Value, room: int = 0) -> None:
    """Copy numbers one by one; fill the rest of ``room`` with ones, at which all formulae are finite."""
    with p.range(0, count) as k:
        p.put(p.read(source, k), to, k)
    if room:
        with p.range(count, room) as k:
            p.put(p.like(1.0, Value(p, "", p.scalar)), to, k)


def read_columns(p: Program, rows: Value, width: int) -> list[Value]:
    """Columns of the rows of one block."""
    if width <= _DENSE:
        vectors = [p.load(rows, k * p.lanes) for k in range(width)]
        if _even(p, width):
            return _parted(p, vectors)
        return [_pick(p, vectors, [lane * width + c for lane in range(p.lanes)]) for c in range(width)]
    columns: list[Value] = []
    for start, part in _tiles(p, width):
        pieces = [_piece(p, rows, row * width + start, part) for row in range(p.lanes)]
        columns += _merged(p, pieces, part)
    return columns


def write_columns(p: Program, columns: list[Value], rows: Value, stream: bool = False) -> None:
    """Write columns as the rows of one block; narrow ones can go past the caches."""
    width, lanes = len(columns), p.lanes
    if width <= _DENSE:
        if _even(p, width):
            vectors = _merged(p, columns, lanes)
        else:
            places = [n % width * lanes + n // width for n in range(width * lanes)]
            vectors = [_pick(p, columns, places[k * lanes : (k + 1) * lanes]) for k in range(width)]
        for k, vector in enumerate(vectors):
            p.store(vector, rows, k * lanes, stream=stream)
        return
    for start, part in _tiles(p, width):
        vectors = _merged(p, columns[start : start + part], lanes)
        for row in range(lanes):
            vector, lane = vectors[row * part // lanes], row * part % lanes
            piece = p.shuffle(vector, vector, range(lane, lane + part))
            p.store(piece, rows, row * width + start)


def _even(p: Program, width: int) -> bool:
    """Whether rows come in and out by halves: fewer shuffles than picking."""
    return width in (2, 4) and width <= p.lanes


def _tiles(p: Program, width: int) -> list[tuple[int, int]]:
    """Starts and widths, powers of two up to the number of lanes, that fill a row; narrow ones first.

    The first column of harmonics is a constant: alone in its tile it costs no shuffle.
    """
    parts = [p.lanes] * (width // p.lanes) + [
        1 << k for k in range(p.lanes.bit_length()) if width % p.lanes >> k & 1
    ]
    parts.sort()
    return [(sum(parts[:n]), part) for n, part in enumerate(parts)]


def _piece(p: Program, rows: Value, index: int, width: int) -> Value:
    """A few neighbouring numbers in the first lanes of a vector."""
    kind = f"<{width} x {p.scalar}>"
    value = p.emit(f"load {kind}, ptr {p.at(rows, index).name}, align {p.bytes}", kind)
    if width == p.lanes:
        return value
    return p.shuffle(value, value, [k if k < width else None for k in range(p.lanes)])


def _parted(p: Program, vectors: list[Value]) -> list[Value]:
    """Columns of rows as wide as there are vectors: numbers in even and odd places part, again and again."""
    if len(vectors) == 1:
        return vectors
    pairs = list(zip(vectors[::2], vectors[1::2], strict=True))
    even, odd = (
        _parted(p, [p.shuffle(a, b, range(first, 2 * p.lanes, 2)) for a, b in pairs]) for first in (0, 1)
    )
    return [column for both in zip(even, odd, strict=True) for column in both]


def _pick(p: Program, vectors: list[Value], places: list[int]) -> Value:
    """Numbers of chosen places in all vectors, one after the other."""
    value, lanes = vectors[0], p.lanes
    now = [place if place < lanes else None for place in places]
    for k, vector in enumerate(vectors[1:], start=1):
        new = [lanes + n - k * lanes if n // lanes == k else old for n, old in zip(places, now, strict=True)]
        value = p.shuffle(value, vector, new)
        now = [None if lane is None else i for i, lane in enumerate(new)]
    return value


def _merged(p: Program, vectors: list[Value], entries: int) -> list[Value]:
    """Entry by entry, the lanes of all vectors next to one another; as many vectors as a power of two."""
    if len(vectors) == 1:
        return vectors
    half, lanes = len(vectors) // 2, p.lanes
    left, right = (_merged(p, part, entries) for part in (vectors[:half], vectors[half:]))
    found = []
    for start in range(0, entries, lanes // (2 * half)):
        source, offset = start * half // lanes, start * half % lanes
        chosen = []
        for entry in range(lanes // (2 * half)):
            at = offset + entry * half
            chosen += [*range(at, at + half), *range(lanes + at, lanes + at + half)]
        found.append(p.shuffle(left[source], right[source], chosen))
    return found
