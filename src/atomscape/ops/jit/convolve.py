"""Native code of the convolution, written from the Clebsch–Gordan tables. Lanes are channels.

With M_p(Y)[m3, m1] = Σ_m2 C[m1 m2 m3] Y[m2] for each edge ij and path p, features x_j and weights w,

    out_i  = Σ_j Σ_p M_p(Y) (w_p x_j)                                    forward
    q_p    = M_p(Y)ᵀ g_i;   dx_j = Σ_i Σ_p w_p q_p;   dw_p = x_j · q_p   backward, g the cotangent of out
    dM_p   = Σ_c g_i (w_p x_j)ᵀ;   dY = Σ_p Σ_{m1 m3} C dM_p

The convolution T(g, x, Y, w) = g · out is linear in each argument. Its second derivative, for cotangents a, b, c
of dx, dY, dw, is the gradient of T(g,a,Y,w) + T(g,x,b,w) + T(g,x,Y,c), and keeps the form of the first:

    dg_i   = Σ_j Σ_p M_p(Y) (w_p a_j + c_p x_j) + M_p(b) (w_p x_j)
    dx_j   = Σ c_p q_p(Y) + w_p q_p(b);   dw_p = a_j · q_p(Y) + x_j · q_p(b);   dM_p = Σ_c g_i (w_p a_j + c_p x_j)ᵀ

(dM of M(Y); that of M(b) is not asked for). Edges are taken in an order in which the rows that are summed
(centres forward, neighbours backward) follow one another, and a slice of them has whole rows: nothing is written
by two threads, and sums do not depend on how many there are. dg alone is summed by rows of the other kind:
each slice has its own dg, of the rows between its lowest and highest centre. M is made for as many edges at
once as there are lanes.

Radial weights come from memory, [edges, paths, channels], or are made for a few edges at a time by the code of
``jit/radial.py``, which then also takes their gradient apart: no such array exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from atomscape.ops.convolution import Coupling
from atomscape.ops.jit import radial
from atomscape.ops.jit.edges import Slots, edges_as_lanes, make_matrices, matrices_size, slices
from atomscape.ops.jit.lanes import Program, Value
from atomscape.ops.jit.paths import Term, groups, tiles

AHEAD = 8
"""Edges between asking for a row of weights and using it."""

ENTRIES = 50
"""Entries of dM that are summed in registers at once."""


@dataclass(frozen=True)
class Variant:
    """What is known when the code is written.

    ``order``: 1 for the convolution or its gradient, 2 for the second derivative; ``tail``: the channels do
    not fill the lanes; ``need``: gradients of (x, Y, weights) asked for; ``stream``: dw is too large to stay in
    the caches; ``radial``: where weights come from, with ``rank`` rows each; ``both``: W has a cotangent.
    """

    coupling: Coupling
    number: Literal["float", "double"]
    lanes: int
    tail: bool
    order: int = 1
    need: tuple[bool, bool, bool] = (True, True, True)
    stream: bool = False
    radial: Literal["memory", "dense", "banded"] = "memory"
    rank: int = 0
    both: bool = False
    need_W: bool = False
    need_g: bool = False


POINTERS = (
    *("g", "x", "Y", "w", "a", "b", "c", "out", "dg", "dx", "dY", "dw"),
    *("h", "W", "Wt", "d", "D", "Dt", "start", "dh", "dW", "scratch"),
    *("centre", "neighbour", "order", "bounds", "shifts"),
)
NUMBERS = ("edges", "channels", "slices")
ARGUMENTS = (*POINTERS, *NUMBERS)
"""Order of the arguments of every kernel of this file; those that a variant has no use for are 0."""


@dataclass(frozen=True)
class Frame:
    """Arguments and sizes of a kernel being written."""

    p: Program
    v: Variant
    at: dict[str, Value]
    rows: dict[str, Value]  # numbers per atom or edge
    parts: list[list[Term]]

    @staticmethod
    def of(name: str, v: Variant) -> Frame:
        """Begin a kernel."""
        p = Program(name, v.number, v.lanes)
        at = {n: p.pointer(k) for k, n in enumerate(POINTERS)}
        at |= {n: p.integer(k) for k, n in enumerate(NUMBERS, start=len(POINTERS))}
        c, k = at["channels"], v.coupling
        rows = {"x": c * k.lm_in, "w": c * len(k.paths), "out": c * k.lm_out}
        return Frame(p, v, at, rows, groups(k))

    @property
    def lm_edge(self) -> int:
        """Rows of Y."""
        return (self.v.coupling.l_edge + 1) ** 2


def forward(v: Variant) -> str:
    """LLVM IR of ``convolution_forward``: out of x, Y and weights."""
    f = Frame.of("convolution_forward", v)
    p, at = f.p, f.at
    buffers = _buffers(f)
    weights = radial.Weights.of(f)
    with slices(p, at["slices"], at["bounds"]) as (_, start, stop):
        with p.range(start, stop, p.lanes) as first:
            count = p.smaller(stop - first, p.like(p.lanes, first))
            _harmonics(f, buffers, first, count)
            weights.prepare(first, count)
            for part in f.parts:
                slots = _matrices(f, buffers, part)
                weights.make(part, first, count)
                with p.range(0, count) as k:
                    e = _edge(f, weights, first + k, k, stop)
                    with _channels(f) as (c, mask):
                        _forward_block(f, part, slots, e, buffers, k, c, mask)
    return p.text


def _forward_block(f: Frame, part, slots, e, buffers, k, c, mask) -> None:
    p, channels = f.p, f.at["channels"]
    seen: dict[tuple[str, int], Value] = {}

    def row(name: str, m: int) -> Value:
        if (name, m) not in seen:
            seen[name, m] = p.load(e[name], channels * m + c, mask)
        return seen[name, m]

    for term in part:
        _ask_ahead(f, e, term, c)
        for harmonics, vector in _vectors(f, term, row).items():
            M = p.at(buffers["M" + harmonics], k)
            _apply(p, term, range(term.width_out), M, slots, vector, "out", row, seen)
    _store(f, "out", seen, e, c, mask)


def _apply(p: Program, term: Term, rows, M: Value, slots: Slots, vector, name: str, row, seen) -> None:
    """Add M v to rows of ``name``."""
    for m3, m1 in term.entries:
        if m3 in rows:
            m = p.broadcast(p.read(M, slots[term.path, m3, m1] * p.lanes))
            seen[name, term.out + m3] = p.fma(m, vector[m1], row(name, term.out + m3))


def _store(f: Frame, name: str, seen, e, c, mask) -> None:
    for (of, m), value in seen.items():
        if of == name:
            f.p.store(value, e[name], f.at["channels"] * m + c, mask)


def _vectors(f: Frame, term: Term, row) -> dict[str, list[Value]]:
    """What M(Y), and in second order M(b), act on."""
    p = f.p
    w, x = row("w", term.path), [row("x", term.x + m) for m in range(term.width_in)]
    wx = [w * v for v in x]
    if f.v.order == 1:
        return {"Y": wx}
    c, a = row("c", term.path), [row("a", term.x + m) for m in range(term.width_in)]
    return {"Y": [p.fma(c, v, w * u) for u, v in zip(a, x, strict=True)], "b": wx}


def backward(v: Variant) -> str:
    """LLVM IR of ``convolution_backward``: dx, dY, dw (or dh, dW) for g; in second order, dg too, for g, a, b, c."""
    f = Frame.of("convolution_backward", v)
    p, at = f.p, f.at
    buffers = _buffers(f)
    weights = radial.Weights.of(f)
    with slices(p, at["slices"], at["bounds"]) as (s, start, stop):
        with p.range(start, stop, p.lanes) as first:
            count = p.smaller(stop - first, p.like(p.lanes, first))
            _harmonics(f, buffers, first, count)
            weights.prepare(first, count)
            for part in f.parts:
                slots = _matrices(f, buffers, part)
                weights.make(part, first, count)
                with p.range(0, count) as k:
                    e = _edge(f, weights, first + k, k, stop, s)
                    if v.need[1]:
                        _with_harmonics(f, part, slots, e, buffers, k)
                    else:
                        with _channels(f) as (c, mask):
                            _backward_block(
                                f, [(t, range(t.width_out)) for t in part], slots, e, buffers, k, c, mask
                            )
                weights.take_apart(part, first, count, s)
    return p.text


def _with_harmonics(f: Frame, part, slots, e, buffers, k) -> None:
    """Gradients of one edge, that of Y too: dM is summed over the channels, path by path."""
    p, zero = f.p, f.p.constant(0)
    for m in range(f.lm_edge):
        p.store(zero, buffers["dY"], m * p.lanes)
    for term in part:
        for rows in tiles(term, ENTRIES):
            dM = {key: p.variable(zero) for key in term.entries if key[0] in rows}
            with _channels(f) as (c, mask):
                _backward_block(f, [(term, rows)], slots, e, buffers, k, c, mask, dM)
            for key, value in dM.items():
                total = value.get()
                for m2, coefficient in term.entries[key].items():
                    old = p.load(buffers["dY"], m2 * p.lanes)
                    p.store(p.fma(total, p.constant(coefficient), old), buffers["dY"], m2 * p.lanes)
    for m in range(f.lm_edge):
        p.put(p.read(e["dY"], m) + p.sum(p.load(buffers["dY"], m * p.lanes)), e["dY"], m)


def _backward_block(f: Frame, chosen, slots, e, buffers, k, c, mask, dM=None) -> None:
    """One block of channels of some paths (or of some output rows of one path)."""
    p, channels = f.p, f.at["channels"]
    seen: dict[tuple[str, int], Value] = {}

    def row(name: str, m: int) -> Value:
        if (name, m) not in seen:
            seen[name, m] = p.load(e[name], channels * m + c, mask)
        return seen[name, m]

    for term, rows in chosen:
        if rows.start == 0:
            _ask_ahead(f, e, term, c)
        g = {m3: row("g", term.out + m3) for m3 in rows}
        vectors = _vectors(f, term, row) if dM is not None or f.v.need_g else {}
        for (m3, m1), total in (dM or {}).items():
            total.set(p.fma(g[m3], vectors["Y"][m1], total.get()))
        for harmonics, vector in vectors.items() if f.v.need_g else ():
            _apply(p, term, rows, p.at(buffers["M" + harmonics], k), slots, vector, "dg", row, seen)
        # (harmonics, features that meet q in dw, weights that take q to dx)
        uses = [("Y", "x", "w")] if f.v.order == 1 else [("Y", "a", "c"), ("b", "x", "w")]
        # Gradients of w, and of c where it is made from factors of its own.
        gradients: dict[str, Value | None] = {"dw": None} if f.v.need[2] else {}
        if f.v.order == 2 and f.v.radial == "dense" and f.v.need[2]:
            gradients["dc"] = None
        for harmonics, partner, factor in uses:
            for m1 in range(term.width_in):
                q = _q(p, term, rows, m1, p.at(buffers["M" + harmonics], k), slots, g)
                if q is None:
                    continue
                if f.v.need[0]:
                    old = row("dx", term.x + m1)
                    seen["dx", term.x + m1] = p.fma(row(factor, term.path), q, old)
                met = [("dw", partner)] + ([("dc", "x")] if harmonics == "Y" else [])
                for name, features in met:
                    if name in gradients:
                        gradients[name] = _plus(p, q, row(features, term.x + m1), gradients[name])
        for name, total in gradients.items():
            total = total if total is not None else p.constant(0)
            if rows.start > 0:
                total = total + p.load(e[name], channels * term.path + c, mask)
            whole = f.v.stream and len(rows) == term.width_out
            p.store(total, e[name], channels * term.path + c, mask, whole)
    for name in ("dx", "dg"):
        _store(f, name, seen, e, c, mask)


def _q(p: Program, term: Term, rows, m1: int, M: Value, slots: Slots, g) -> Value | None:
    """q[m1] = Σ_m3 M[m3, m1] g[m3]."""
    q = None
    for m3 in rows:
        if (m3, m1) in term.entries:
            m = p.broadcast(p.read(M, slots[term.path, m3, m1] * p.lanes))
            q = _plus(p, m, g[m3], q)
    return q


def _plus(p: Program, a: Value, b: Value, total: Value | None) -> Value:
    return a * b if total is None else p.fma(a, b, total)


def _buffers(f: Frame) -> dict[str, Value]:
    p = f.p
    size = matrices_size(f.parts, p.lanes)
    found = {"Y": p.buffer(f.lm_edge * p.lanes), "MY": p.buffer(size), "dY": p.buffer(f.lm_edge * p.lanes)}
    if f.v.order == 2:
        found |= {"b": p.buffer(f.lm_edge * p.lanes), "Mb": p.buffer(size)}
    return found


def _harmonics(f: Frame, buffers, first: Value, count: Value) -> None:
    for name in ("Y", "b")[: f.v.order]:
        edges_as_lanes(f.p, f.at[name], buffers[name], f.at["order"], first, count, f.lm_edge)


def _matrices(f: Frame, buffers, part) -> Slots:
    for name in ("Y", "b")[: f.v.order]:
        slots = make_matrices(f.p, part, buffers[name], buffers["M" + name])
    return slots


def _edge(
    f: Frame, weights: radial.Weights, e: Value, k: Value, stop: Value, s: Value | None = None
) -> dict[str, Value]:
    """Where the rows of one edge lie; dg in the memory of a slice."""
    p, at = f.p, f.at
    edge = p.read(at["order"], e, "i64")
    i, j = p.read(at["centre"], edge, "i64"), p.read(at["neighbour"], edge, "i64")
    found = {n: p.at(at[n], j * f.rows["x"]) for n in ("x", "a", "dx")}
    found |= {n: p.at(at[n], i * f.rows["out"]) for n in ("g", "out")}
    found["dY"] = p.at(at["dY"], edge * f.lm_edge)
    if f.v.need_g and s is not None:
        found["dg"] = p.at(at["dg"], i * f.rows["out"] + p.read(at["shifts"], s, "i64"))
    ahead = p.read(at["order"], p.smaller(e + AHEAD, stop - 1), "i64")
    return found | weights.of_edge(edge, k, ahead)


def _ask_ahead(f: Frame, e: dict[str, Value], term: Term, c: Value) -> None:
    for name in ("w next", "c next"):
        if name in e:
            f.p.prefetch(e[name], f.at["channels"] * term.path + c)


def _channels(f: Frame):
    return f.p.blocks(f.at["channels"], f.v.tail)
