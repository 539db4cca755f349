"""What is known of a convolution's kernel when it is written, its arguments, and the loop over its edges."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from atomscape.ops.convolution import Coupling
from atomscape.ops.jit.edges import edges_as_lanes, matrices_size
from atomscape.ops.jit.lanes import Program, Value
from atomscape.ops.jit.paths import Term, groups

AHEAD = 8
"""Edges between asking for a row of weights and using it."""


@dataclass(frozen=True)
class Variant:
    """Everything that changes the code.

    ``tail``: the channels do not fill the lanes; ``order``: 1 for the convolution or its gradient, 2 for the
    second derivative; ``need``: gradients of (x, Y, weights) asked for, ``need_W`` and ``need_g`` those of W
    and of g; ``stream``: dw is too large to stay in the caches; ``radial``: where weights come from, with
    ``rank`` factors each (see ``jit/radial.py``); ``both``: W has a cotangent.
    """

    coupling: Coupling
    number: Literal["float", "double"]
    lanes: int
    tail: bool
    order: Literal[1, 2] = 1
    need: tuple[bool, bool, bool] = (True, True, True)
    need_W: bool = False
    need_g: bool = False
    stream: bool = False
    radial: Literal["memory", "dense", "banded"] = "memory"
    rank: int = 0
    both: bool = False


POINTERS = (
    *("g", "x", "Y", "w", "a", "b", "c", "out", "dg", "dx", "dY", "dw"),
    *("h", "W", "Wt", "d", "D", "Dt", "start", "dh", "dW", "scratch"),
    *("centre", "neighbour", "order", "bounds", "shifts"),
)
NUMBERS = ("edges", "channels", "slices")
ARGUMENTS = (*POINTERS, *NUMBERS)
"""Order of the arguments of every kernel; those that a variant has no use for are 0."""


@dataclass(frozen=True)
class Frame:
    """A kernel being written: arguments, numbers in each kind of row, groups of paths, buffers."""

    p: Program
    v: Variant
    at: dict[str, Value]
    row: dict[str, Value]
    parts: list[list[Term]]
    buffer: dict[str, Value]

    @staticmethod
    def of(name: str, v: Variant) -> Frame:
        """Begin a kernel."""
        p = Program(name, v.number, v.lanes)
        at = {n: p.pointer(k) for k, n in enumerate(POINTERS)}
        at |= {n: p.integer(k) for k, n in enumerate(NUMBERS, start=len(POINTERS))}
        c, k, parts = at["channels"], v.coupling, groups(v.coupling)
        row = {"x": c * k.lm_in, "w": c * len(k.paths), "out": c * k.lm_out}
        lm_edge, size = (k.l_edge + 1) ** 2, matrices_size(parts, p.lanes)
        buffer = {"dY": p.buffer(lm_edge * p.lanes)}
        for harmonics in ("Y", "b")[: v.order]:
            buffer |= {harmonics: p.buffer(lm_edge * p.lanes), f"M {harmonics}": p.buffer(size)}
        return Frame(p, v, at, row, parts, buffer)

    @property
    def lm_edge(self) -> int:
        """Rows of Y."""
        return (self.v.coupling.l_edge + 1) ** 2

    @property
    def harmonics(self) -> tuple[str, ...]:
        """Names of what M is made of: Y, and in second order its cotangent b."""
        return ("Y", "b")[: self.v.order]

    @contextmanager
    def slices(self) -> Iterator[tuple[Value, Value, Value]]:
        """Loop over this thread's slices of the sequence of edges: yields (slice, first place, end)."""
        p, bounds = self.p, self.at["bounds"]
        with p.range(p.thread, self.at["slices"], p.threads) as s:
            yield s, p.read(bounds, s, "i64"), p.read(bounds, s + 1, "i64")

    @contextmanager
    def tiles(self, start: Value, stop: Value) -> Iterator[tuple[Value, Value]]:
        """Loop over as many edges at once as there are lanes: yields (first, how many); Y is read."""
        p = self.p
        with p.range(start, stop, p.lanes) as first:
            count = p.smaller(stop - first, p.like(p.lanes, first))
            for n in self.harmonics:
                edges_as_lanes(p, self.at[n], self.buffer[n], self.at["order"], first, count, self.lm_edge)
            yield first, count
