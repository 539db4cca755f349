"""Text of the kernel for what belongs to one edge: the gradients of its harmonics and of its weights.

One program has a few edges, one after the other. With g the cotangent at the centre, for each path and
channel

    u[e]  = Σ_io C[i, e, o] x[i] g[o],     dw = Σ_e Y[e] u[e],     dY[e] = Σ_paths Σ_channels w u[e],

the products x[i] g[o] shared by all paths between the same rows. The sum over channels is made in registers.
The next edge's ends are loaded ahead: the features wait for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from atomscape.ops.gpu.source import define, indented, weighted_sum
from atomscape.ops.terms import Term

GRAPH = ("centre", "neighbour", "channels", "edges")
CONSTANTS = ("EACH", "REAL", "BLOCK")
EACH = 4
"""Edges of one program: starting programs takes time, and the last ones must not be long."""


def text(
    group: Sequence[Term], sizes: tuple[int, int, int, int], begun: set[int], empty: Sequence[int]
) -> str:
    """Kernel for one group of terms; arguments as for ``gather.text``, with rows of dY for those of out."""
    return frame(group, sizes, begun, empty, ("x",), ("Y",), ("w",), _channels(group))


def frame(
    group: Sequence[Term],
    sizes: tuple[int, int, int, int],
    begun: set[int],
    empty: Sequence[int],
    features: Sequence[str],
    harmonics: Sequence[str],
    weights: Sequence[str],
    channels: Iterable[str],
) -> str:
    """Kernel that does the lines ``channels`` for each edge and block of channels, with pointers to rows."""
    lm_in, lm_edge, lm_out, paths = sizes
    rows = sorted({e for term in group for e in term.rows_edge})
    edge = [
        f"g_row = g + next_centre.to(tl.int64) * {lm_out} * channels",
        *(f"{x}_row = {x} + next_neighbour.to(tl.int64) * {lm_in} * channels" for x in features),
        *(f"{w}_row = {w} + edge * {paths} * channels" for w in (*weights, "dw")),
        f"dY_row = dY + edge * {lm_edge}",
        "next_centre = tl.load(centre + edge + 1, mask=edge + 1 < end, other=0)",
        "next_neighbour = tl.load(neighbour + edge + 1, mask=edge + 1 < end, other=0)",
        *(f"{Y}{e} = tl.load({Y} + edge * {lm_edge} + {e}).to(REAL)" for e in rows for Y in harmonics),
        *(f"d{e} = tl.zeros([BLOCK], REAL)" for e in rows),
        "for block in range(0, channels, BLOCK):",
        "    c = block + tl.arange(0, BLOCK)",
        "    inside = c < channels",
        *indented(channels),
        *(_added_up(e, begun) for e in rows),
        *(f"tl.store(dY_row + {e}, 0.0)" for e in empty),
    ]
    body = [
        "start = tl.program_id(0).to(tl.int64) * EACH",
        "end = tl.minimum(start + EACH, edges)",
        "next_centre = tl.load(centre + start)",
        "next_neighbour = tl.load(neighbour + start)",
        "for edge in range(start, end):",
        *indented(edge),
    ]
    return define("edges", ("g", *features, *harmonics, *weights, "dY", "dw", *GRAPH), CONSTANTS, body)


def _added_up(e: int, begun: set[int]) -> str:
    before = f" + tl.load(dY_row + {e}).to(REAL)" if e in begun else ""
    return f"tl.store(dY_row + {e}, tl.sum(d{e}, 0){before})"


def loads(group: Sequence[Term], features: Iterable[str]) -> Iterator[str]:
    """The rows of both ends' features that a group needs."""
    for o in sorted({o for term in group for o in term.rows_out}):
        yield f"g{o} = tl.load(g_row + {o} * channels + c, mask=inside, other=0).to(REAL)"
    for i in sorted({i for term in group for i in term.rows_in}):
        for x in features:
            yield f"{x}{i} = tl.load({x}_row + {i} * channels + c, mask=inside, other=0).to(REAL)"


def weights(term: Term, names: Iterable[str]) -> Iterator[str]:
    """The edge's weights of one path."""
    for w in names:
        yield f"{w}_ = tl.load({w}_row + {term.path} * channels + c, mask=inside, other=0).to(REAL)"


def stored(term: Term, value: str) -> str:
    """Write the gradient of one path's weight."""
    return f"tl.store(dw_row + {term.path} * channels + c, {value}, mask=inside)"


def _channels(group: Sequence[Term]) -> Iterator[str]:
    """Everything that happens to one block of channels."""
    yield from loads(group, "x")
    made: set[str] = set()
    for term in group:
        products = {f"p{i}_{o}": f"x{i} * g{o}" for i, _, o, _ in term.entries}
        yield from (f"{name} = {products[name]}" for name in products if name not in made)
        made |= set(products)
        yield from weights(term, "w")
        yield from (f"u{e} = {_u(term, e)}" for e in term.rows_edge)
        yield from (f"d{e} += w_ * u{e}" for e in term.rows_edge)
        yield stored(term, " + ".join(f"Y{e} * u{e}" for e in term.rows_edge))


def _u(term: Term, row: int) -> str:
    return weighted_sum((f"p{i}_{o}", value) for i, e, o, value in term.entries if e == row)
