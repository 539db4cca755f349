"""The convolution as a list of numbers: every non-zero coefficient of every path, with its rows in memory.

    out[o] += value · w[path] · x[i] · Y[e]     for each (i, e, o, value) of each path

Kernels are written out from this list, so that the algebra stands in one place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

from atomscape.o3.clebsch_gordan import clebsch_gordan
from atomscape.ops.convolution import Coupling


class Entry(NamedTuple):
    """One product: rows of features ``i``, harmonics ``e`` and output ``o``, and its coefficient."""

    i: int
    e: int
    o: int
    value: float


class Term(NamedTuple):
    """One path: its number, its entries, and its rows of features, harmonics and output."""

    path: int
    entries: tuple[Entry, ...]
    rows_in: range
    rows_edge: range
    rows_out: range

    def transposed(self) -> Term:
        """The same path from output to features, as the gradient of the features needs it."""
        entries = tuple(Entry(o, e, i, value) for i, e, o, value in self.entries)
        return Term(self.path, entries, self.rows_out, self.rows_edge, self.rows_in)


def terms(coupling: Coupling) -> tuple[Term, ...]:
    """All paths in order; coefficients carry the 1/√(paths into the block) of the convolution."""
    into = Counter((p.l3, p.run_out) for p in coupling.paths)
    found = []
    for n, p in enumerate(coupling.paths):
        i = p.run_in * (coupling.l_in + 1) ** 2 + p.l1**2
        e = p.l2**2
        o = p.run_out * (coupling.l_out + 1) ** 2 + p.l3**2
        c = clebsch_gordan(p.l1, p.l2, p.l3) / into[p.l3, p.run_out] ** 0.5
        entries = tuple(
            Entry(i + m1, e + m2, o + m3, c[m1, m2, m3].item()) for m1, m2, m3 in c.nonzero().tolist()
        )
        widths = (2 * l + 1 for l in (p.l1, p.l2, p.l3))
        rows = (range(start, start + width) for start, width in zip((i, e, o), widths, strict=True))
        found.append(Term(n, entries, *rows))
    return tuple(found)


def groups(all_terms: Iterable[Term], limit: int, key: Callable[[Term], tuple[int, ...]]) -> list[list[Term]]:
    """Terms in the order of ``key``, cut where a group would exceed ``limit`` entries."""
    found: list[list[Term]] = []
    size = 0
    for term in sorted(all_terms, key=key):
        if not found or size + len(term.entries) > limit:
            found.append([])
            size = 0
        found[-1].append(term)
        size += len(term.entries)
    return found
