"""Native code of the convolution, written from the Clebsch–Gordan tables. Lanes are channels.

With M_p(Y)[m3, m1] = Σ_m2 C[m1 m2 m3] Y[m2] for each edge ij and path p, features x_j and weights w,

    out_i = Σ_j Σ_p M_p(Y) (w_p x_j)                                     forward
    q_p   = M_p(Y)ᵀ g_i;   dx_j = Σ_i Σ_p w_p q_p;   dw_p = x_j · q_p    backward, g the cotangent of out
    dM_p  = Σ_c g_i (w_p x_j)ᵀ;   dY = Σ_p Σ_{m1 m3} C dM_p

The convolution T(g, x, Y, w) = g · out is linear in each argument. Its second derivative, for cotangents
a, b, c of dx, dY, dw, is the gradient of T(g,a,Y,w) + T(g,x,b,w) + T(g,x,Y,c), of the same form as the first:

    dg_i  = Σ_j Σ_p M_p(Y) (w_p a_j + c_p x_j) + M_p(b) (w_p x_j)
    dx_j  = Σ_i Σ_p c_p q_p(Y) + w_p q_p(b);   dw_p = a_j · q_p(Y) + x_j · q_p(b)
    dM_p  = Σ_c g_i (w_p a_j + c_p x_j)ᵀ

(dM of M(Y); that of M(b) is not asked for). Edges are taken in an order in which the rows that are summed
(centres forward, neighbours backward) follow one another, and a slice of them has whole rows: nothing is
written by two threads, and sums do not depend on how many there are. dg alone is summed by rows of the other
kind: each slice has its own dg, of the rows between its lowest and highest centre. M is made for as many
edges at once as there are lanes.

Radial weights come from memory, [edges, paths, channels], or are made for a few edges at a time by the code
of ``jit/radial.py``, which then also takes their gradient apart: no such array exists.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from atomscape.ops.jit.edges import Slots, make_matrices
from atomscape.ops.jit.lanes import Value, Variable
from atomscape.ops.jit.paths import Term, tiles
from atomscape.ops.jit.radial import Weights
from atomscape.ops.jit.variant import AHEAD, Frame, Variant

ENTRIES = 50
"""Entries of dM that are summed in registers at once."""

Rows = Mapping[int, Value]
"""Rows of an array that are in registers."""


@dataclass(frozen=True)
class Edge:
    """One edge: where its rows lie, and its matrices M, for a group of paths."""

    f: Frame
    at: dict[str, Value]
    M: dict[str, Value]
    slots: Slots

    def entry(self, harmonics: str, term: Term, m3: int, m1: int) -> Value:
        """An entry of M in every lane."""
        p = self.f.p
        return p.broadcast(p.read(self.M[harmonics], self.slots[term.path, m3, m1] * p.lanes))

    @contextmanager
    def channels(self) -> Iterator[Block]:
        """Loop over blocks of channels."""
        with self.f.p.blocks(self.f.at["channels"], self.f.v.tail) as (c, mask):
            yield Block(self, c, mask)


@dataclass(frozen=True)
class Block:
    """One block of channels of one edge: rows are loaded when they are first asked for."""

    edge: Edge
    c: Value
    mask: Value | None
    rows: dict[tuple[str, int], Value] = field(default_factory=dict)

    def place(self, m: int) -> Value:
        """Index of row ``m`` at these channels."""
        return self.edge.f.at["channels"] * m + self.c

    def row(self, name: str, m: int) -> Value:
        """Row ``m`` of an array."""
        if (name, m) not in self.rows:
            self.rows[name, m] = self.edge.f.p.load(self.edge.at[name], self.place(m), self.mask)
        return self.rows[name, m]

    def add(self, name: str, m: int, a: Value, b: Value) -> None:
        """Add a·b to a row."""
        self.rows[name, m] = self.edge.f.p.fma(a, b, self.row(name, m))

    def store(self, name: str) -> None:
        """Write the rows of an array that were added to."""
        for (of, m), value in self.rows.items():
            if of == name:
                self.edge.f.p.store(value, self.edge.at[name], self.place(m), self.mask)

    def ask_ahead(self, term: Term) -> None:
        """Ask for the weights of an edge that comes a little later."""
        for name in ("w next", "c next"):
            if name in self.edge.at:
                self.edge.f.p.prefetch(self.edge.at[name], self.place(term.path))


def forward(v: Variant) -> str:
    """LLVM IR of ``convolution_forward``: out of x, Y and weights."""
    f = Frame.of("convolution_forward", v)
    weights = Weights.of(f)
    with f.slices() as (_, start, stop), f.tiles(start, stop) as (first, count):
        weights.prepare(first, count)
        for part in f.parts:
            weights.make(part, first, count)
            with _edges(f, part, weights, first, count, stop) as edge, edge.channels() as block:
                for term in part:
                    block.ask_ahead(term)
                    _apply(block, term, range(term.width_out), "out")
                block.store("out")
    return f.p.text


def backward(v: Variant) -> str:
    """LLVM IR of ``convolution_backward``: dx, dY and dw, or dh and dW; in second order dg too."""
    f = Frame.of("convolution_backward", v)
    weights = Weights.of(f)
    with f.slices() as (s, start, stop), f.tiles(start, stop) as (first, count):
        weights.prepare(first, count)
        for part in f.parts:
            weights.make(part, first, count)
            with _edges(f, part, weights, first, count, stop, s) as edge:
                if v.need[1]:
                    _with_harmonics(edge, part)
                else:
                    with edge.channels() as block:
                        for term in part:
                            _gradients(block, term, range(term.width_out), {})
                        block.store("dx")
                        block.store("dg")
            weights.take_apart(part, first, count, s)
    return f.p.text


@contextmanager
def _edges(
    f: Frame,
    part: list[Term],
    weights: Weights,
    first: Value,
    count: Value,
    stop: Value,
    s: Value | None = None,
) -> Iterator[Edge]:
    """Loop over the edges of a tile; dg lies in the memory of slice ``s``."""
    p, at = f.p, f.at
    slots = {}
    for name in f.harmonics:
        slots = make_matrices(p, part, f.buffer[name], f.buffer[f"M {name}"])
    with p.range(0, count) as k:
        edge, ahead = (
            p.read(at["order"], e, "i64") for e in (first + k, p.smaller(first + k + AHEAD, stop - 1))
        )
        i, j = p.read(at["centre"], edge, "i64"), p.read(at["neighbour"], edge, "i64")
        places = {n: p.at(at[n], j * f.row["x"]) for n in ("x", "a", "dx")}
        places |= {n: p.at(at[n], i * f.row["out"]) for n in ("g", "out")}
        places["dY"] = p.at(at["dY"], edge * f.lm_edge)
        if f.v.need_g and s is not None:
            places["dg"] = p.at(at["dg"], i * f.row["out"] + p.read(at["shifts"], s, "i64"))
        M = {name: p.at(f.buffer[f"M {name}"], k) for name in f.harmonics}
        yield Edge(f, places | weights.of_edge(edge, k, ahead), M, slots)


def _vectors(block: Block, term: Term) -> dict[str, list[Value]]:
    """What M(Y), and in second order M(b), act on."""
    fma = block.edge.f.p.fma
    w, x = block.row("w", term.path), [block.row("x", term.x + m) for m in range(term.width_in)]
    wx = [w * v for v in x]
    if block.edge.f.v.order == 1:
        return {"Y": wx}
    c, a = block.row("c", term.path), [block.row("a", term.x + m) for m in range(term.width_in)]
    return {"Y": [fma(c, v, w * u) for u, v in zip(a, x, strict=True)], "b": wx}


def _apply(block: Block, term: Term, rows: range, name: str) -> dict[str, list[Value]]:
    """Add M times its vectors to rows of ``out`` or ``dg``; return the vectors."""
    vectors = _vectors(block, term)
    for harmonics, vector in vectors.items():
        for m3, m1 in term.entries:
            if m3 in rows:
                block.add(name, term.out + m3, block.edge.entry(harmonics, term, m3, m1), vector[m1])
    return vectors


def _with_harmonics(edge: Edge, part: list[Term]) -> None:
    """All gradients of one edge: dM is summed over the channels, path by path, and then meets C."""
    p, dY, zero = edge.f.p, edge.f.buffer["dY"], edge.f.p.constant(0)
    for m in range(edge.f.lm_edge):
        p.store(zero, dY, m * p.lanes)
    for term in part:
        for rows in tiles(term, ENTRIES):
            dM = {key: p.variable(zero) for key in term.entries if key[0] in rows}
            with edge.channels() as block:
                _gradients(block, term, rows, dM)
                block.store("dx")
                block.store("dg")
            for key, value in dM.items():
                total = value.get()
                for m2, coefficient in term.entries[key].items():
                    sums = p.fma(total, p.constant(coefficient), p.load(dY, m2 * p.lanes))
                    p.store(sums, dY, m2 * p.lanes)
    for m in range(edge.f.lm_edge):
        p.put(p.read(edge.at["dY"], m) + p.sum(p.load(dY, m * p.lanes)), edge.at["dY"], m)


def _gradients(block: Block, term: Term, rows: range, dM: Mapping[tuple[int, int], Variable]) -> None:
    """Gradients of one path, from some of its output rows."""
    p, v = block.edge.f.p, block.edge.f.v
    if rows.start == 0:
        block.ask_ahead(term)
    g = {m3: block.row("g", term.out + m3) for m3 in rows}
    vectors = _apply(block, term, rows, "dg") if v.need_g else _vectors(block, term) if dM else {}
    for (m3, m1), total in dM.items():
        total.set(p.fma(g[m3], vectors["Y"][m1], total.get()))
    sums = _through_q(block, term, rows, g)
    if v.need[2]:
        for name in ("dw", "dc") if _has_dc(v) else ("dw",):
            total = sums.get(name) or p.constant(0)
            if rows.start > 0:
                total = total + p.load(block.edge.at[name], block.place(term.path), block.mask)
            whole = v.stream and len(rows) == term.width_out
            p.store(total, block.edge.at[name], block.place(term.path), block.mask, whole)


def _through_q(block: Block, term: Term, rows: range, g: Rows) -> dict[str, Value]:
    """Add to dx, and return dw, and dc where weights of second order are made from factors of their own."""
    p, v, sums = block.edge.f.p, block.edge.f.v, {}
    # harmonics of q, weights that take q to dx, and what q meets in the gradients of weights
    uses = {"Y": ("w", {"dw": "x"})}
    if v.order == 2:
        uses = {"Y": ("c", {"dw": "a"} | ({"dc": "x"} if _has_dc(v) else {})), "b": ("w", {"dw": "x"})}
    for harmonics, (factor, partners) in uses.items():
        for m1 in range(term.width_in):
            met = [m3 for m3 in rows if (m3, m1) in term.entries]
            if not met:
                continue
            q = None
            for m3 in met:
                m = block.edge.entry(harmonics, term, m3, m1)
                q = m * g[m3] if q is None else p.fma(m, g[m3], q)
            assert q is not None
            if v.need[0]:
                block.add("dx", term.x + m1, block.row(factor, term.path), q)
            for name, features in partners.items() if v.need[2] else ():
                x = block.row(features, term.x + m1)
                sums[name] = p.fma(q, x, sums[name]) if name in sums else q * x
    return sums


def _has_dc(v: Variant) -> bool:
    return v.order == 2 and v.radial == "dense"
