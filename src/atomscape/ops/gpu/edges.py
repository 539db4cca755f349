"""Text of the kernel for what belongs to one edge: the gradients of its harmonics and of its weights.

One program has one edge. With g the cotangent at its centre, for each path and channel

    u[e]  = Σ_io C[i, e, o] x[i] g[o],     dw = Σ_e Y[e] u[e],     dY[e] = Σ_paths Σ_channels w u[e],

the products x[i] g[o] shared by all paths between the same rows. The sum over channels is made in registers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from atomscape.ops.gpu.source import define, indented, weighted_sum
from atomscape.ops.terms import Term

ARGUMENTS = ("g", "x", "Y", "w", "dY", "dw", "centre", "neighbour", "channels")
CONSTANTS = ("REAL", "BLOCK")


def text(
    group: Sequence[Term], sizes: tuple[int, int, int, int], begun: set[int], empty: Sequence[int]
) -> str:
    """Kernel for one group of terms; arguments as for ``gather.text``, with rows of dY for those of out."""
    lm_in, lm_edge, lm_out, paths = sizes
    rows = sorted({e for term in group for e in term.rows_edge})
    body = [
        "edge = tl.program_id(0).to(tl.int64)",
        f"g_row = g + tl.load(centre + edge).to(tl.int64) * {lm_out} * channels",
        f"x_row = x + tl.load(neighbour + edge).to(tl.int64) * {lm_in} * channels",
        f"w_row = w + edge * {paths} * channels",
        f"dw_row = dw + edge * {paths} * channels",
        f"dY_row = dY + edge * {lm_edge}",
        *(f"y{e} = tl.load(Y + edge * {lm_edge} + {e}).to(REAL)" for e in rows),
        *(f"d{e} = tl.zeros([BLOCK], REAL)" for e in rows),
        "for block in range(0, channels, BLOCK):",
        "    c = block + tl.arange(0, BLOCK)",
        "    inside = c < channels",
        *indented(_channels(group)),
        *(_store(e, begun) for e in rows),
        *(f"tl.store(dY_row + {e}, 0.0)" for e in empty),
    ]
    return define("edges", ARGUMENTS, CONSTANTS, body)


def _store(e: int, begun: set[int]) -> str:
    before = f" + tl.load(dY_row + {e}).to(REAL)" if e in begun else ""
    return f"tl.store(dY_row + {e}, tl.sum(d{e}, 0){before})"


def _channels(group: Sequence[Term]) -> Iterator[str]:
    """Everything that happens to one block of channels."""
    for o in sorted({o for term in group for o in term.rows_out}):
        yield f"g{o} = tl.load(g_row + {o} * channels + c, mask=inside, other=0).to(REAL)"
    for i in sorted({i for term in group for i in term.rows_in}):
        yield f"x{i} = tl.load(x_row + {i} * channels + c, mask=inside, other=0).to(REAL)"
    made: set[str] = set()
    for term in group:
        products = {f"p{i}_{o}": f"x{i} * g{o}" for i, _, o, _ in term.entries}
        yield from (f"{name} = {products[name]}" for name in products if name not in made)
        made |= set(products)
        yield f"w_ = tl.load(w_row + {term.path} * channels + c, mask=inside, other=0).to(REAL)"
        yield from (f"u{e} = {_u(term, e)}" for e in term.rows_edge)
        yield from (f"d{e} += w_ * u{e}" for e in term.rows_edge)
        total = " + ".join(f"y{e} * u{e}" for e in term.rows_edge)
        yield f"tl.store(dw_row + {term.path} * channels + c, {total}, mask=inside)"


def _u(term: Term, row: int) -> str:
    return weighted_sum((f"p{i}_{o}", value) for i, e, o, value in term.entries if e == row)
