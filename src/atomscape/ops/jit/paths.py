"""Paths of a convolution as its kernels see them: rows of memory, and sparse coefficients."""

from __future__ import annotations

from typing import NamedTuple

from atomscape.ops.convolution import Coupling
from atomscape.ops.terms import terms as all_terms

CODE = 500
"""Entries of M per group of paths: the unrolled code of a group stays in the instruction cache."""


class Term(NamedTuple):
    """One path: first rows of x and of the output, their numbers, and the sparse entries of M.

    M[m3, m1] = Σ_m2 C[m1 m2 m3] Y[m2] / √(paths into the block); ``entries[m3, m1]`` maps rows of Y to
    coefficients.
    """

    path: int
    x: int
    out: int
    width_in: int
    width_out: int
    entries: dict[tuple[int, int], dict[int, float]]


def terms(coupling: Coupling) -> list[Term]:
    """All paths, in their order."""
    found = []
    for term in all_terms(coupling):
        x, out = term.rows_in, term.rows_out
        entries: dict[tuple[int, int], dict[int, float]] = {}
        for i, e, o, value in term.entries:
            entries.setdefault((o - out.start, i - x.start), {})[e] = value
        found.append(Term(term.path, x.start, out.start, len(x), len(out), entries))
    return found


def groups(coupling: Coupling) -> list[list[Term]]:
    """Consecutive paths whose code is small enough to be unrolled together."""
    found: list[list[Term]] = []
    size = CODE
    for term in terms(coupling):
        if size + len(term.entries) > CODE:
            found.append([])
            size = 0
        found[-1].append(term)
        size += len(term.entries)
    return found


def tiles(term: Term, limit: int) -> list[range]:
    """Output rows of a path, cut so that each part has no more than ``limit`` entries of M (or one row)."""
    per = max(1, limit // term.width_in)
    return [range(a, min(a + per, term.width_out)) for a in range(0, term.width_out, per)]
