"""Text of the kernel that sums over the edges of each atom: the convolution, and its transpose.

One program holds one atom's output rows, for a block of channels, in registers and goes through the atom's
edges. For each edge and path, M[o, i] = Σ_e C[i, e, o] Y[e] is made from the harmonics (one number for all
channels), then out[o] += w · Σ_i M[o, i] x[i]. No message is written to memory, nothing is added by two
programs, the order of the sum is that of the edges.

``first`` [atoms + 1] bounds each atom's edges; ``other[k]`` is the atom whose features the k-th edge brings,
``order[k]`` the number of that edge in Y and w. Where edges stand in order already, ``ORDERED`` is true and
``order`` is not read. The next edge's numbers are loaded ahead: the features wait for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from atomscape.ops.gpu.source import define, indented, weighted_sum
from atomscape.ops.terms import Term

GRAPH = ("first", "other", "order", "channels")
CONSTANTS = ("ORDERED", "REAL", "BLOCK")


def text(
    group: Sequence[Term], sizes: tuple[int, int, int, int], begun: set[int], empty: Sequence[int]
) -> str:
    """Kernel for one group of terms.

    ``sizes``: lm of features, harmonics and output, and the number of paths. Rows in ``begun`` were written
    by the groups before and are added to; rows in ``empty`` get zeros, because no path leads to them.
    """
    return frame(group, sizes, begun, empty, ("x",), ("Y",), ("w",), _edge(group))


def frame(
    group: Sequence[Term],
    sizes: tuple[int, int, int, int],
    begun: set[int],
    empty: Sequence[int],
    features: Sequence[str],
    harmonics: Sequence[str],
    weights: Sequence[str],
    edge: Iterable[str],
) -> str:
    """Kernel that does the lines ``edge`` for each edge, with pointers to its rows of what it is given."""
    lm_in, lm_edge, lm_out, paths = sizes
    rows = sorted({row for term in group for row in term.rows_out})
    inside = [
        *(f"{x}_row = {x} + next_other.to(tl.int64) * {lm_in} * channels + c" for x in features),
        *(f"{Y}_row = {Y} + next_edge.to(tl.int64) * {lm_edge}" for Y in harmonics),
        *(f"{w}_row = {w} + next_edge.to(tl.int64) * {paths} * channels + c" for w in weights),
        "next_other = tl.load(other + k + 1, mask=k + 1 < end, other=0)",
        "next_edge = k + 1 if ORDERED else tl.load(order + k + 1, mask=k + 1 < end, other=0)",
        *edge,
    ]
    body = [
        "row = tl.program_id(0).to(tl.int64)",
        "c = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)",
        "inside = c < channels",
        f"out_row = out + row * {lm_out} * channels + c",
        *(f"o{o} = {_start(o, begun)}" for o in rows),
        "start = tl.load(first + row)",
        "end = tl.load(first + row + 1)",
        "next_other = tl.load(other + start, mask=start < end, other=0)",
        "next_edge = start if ORDERED else tl.load(order + start, mask=start < end, other=0)",
        "for k in range(start, end):",
        *indented(inside),
        *(f"tl.store(out_row + {o} * channels, o{o}, mask=inside)" for o in rows),
        *(f"tl.store(out_row + {o} * channels, tl.zeros([BLOCK], REAL), mask=inside)" for o in empty),
    ]
    return define("gather", (*features, *harmonics, *weights, "out", *GRAPH), CONSTANTS, body)


def _start(o: int, begun: set[int]) -> str:
    if o in begun:
        return f"tl.load(out_row + {o} * channels, mask=inside, other=0).to(REAL)"
    return "tl.zeros([BLOCK], REAL)"


def loads(group: Sequence[Term], features: Iterable[str], harmonics: Iterable[str]) -> Iterator[str]:
    """The edge's rows of harmonics and features that a group needs."""
    for e in sorted({e for term in group for e in term.rows_edge}):
        yield from (f"{Y}{e} = tl.load({Y}_row + {e}).to(REAL)" for Y in harmonics)
    for i in sorted({i for term in group for i in term.rows_in}):
        for x in features:
            yield f"{x}{i} = tl.load({x}_row + {i} * channels, mask=inside, other=0).to(REAL)"


def weights(term: Term, names: Iterable[str]) -> Iterator[str]:
    """The edge's weights of one path."""
    for w in names:
        yield f"{w}_ = tl.load({w}_row + {term.path} * channels, mask=inside, other=0).to(REAL)"


def _edge(group: Sequence[Term]) -> Iterator[str]:
    """Everything that happens to one edge."""
    yield from loads(group, "x", "Y")
    for term in group:
        yield from weights(term, "w")
        yield from _path(term)


def _path(term: Term) -> Iterator[str]:
    """One path; the weight multiplies whichever side has fewer rows."""
    matrix: dict[int, dict[int, dict[str, float]]] = {}
    for i, e, o, value in term.entries:
        matrix.setdefault(o, {}).setdefault(i, {})[f"Y{e}"] = value
    before = len(term.rows_in) <= len(term.rows_out)
    if before:
        yield from (f"v{i} = w_ * x{i}" for i in term.rows_in)
    for o, row in matrix.items():
        products = [
            f"({weighted_sum(parts.items())}) * {'v' if before else 'x'}{i}" for i, parts in row.items()
        ]
        yield f"o{o} += {' + '.join(products)}" if before else f"o{o} += w_ * ({' + '.join(products)})"
