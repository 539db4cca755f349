"""Whole numbers in ascending order, as native code: fast for the tens of neighbours that an atom has."""

from __future__ import annotations

from atomscape.ops.jit.scalar import CHUNK, native, smaller


@native
def ascending(found, order, n):
    """Put the first n numbers of ``found``, all different, in order; they end in one of the two arrays.

    Chunks are ordered by counting, then merged in pairs.
    """
    for q in range(n, (n + CHUNK - 1) // CHUNK * CHUNK):
        found[q] = 0x7FFFFFFF
    for q in range(n):
        begin = q // CHUNK * CHUNK
        order[begin + smaller(found, begin, found[q])] = found[q]
    here, there, width = order, found, CHUNK
    while width < n:
        for pair in range((n + 2 * width - 1) // (2 * width)):
            begin = 2 * width * pair
            _merge(here, there, begin, min(begin + width, n), min(begin + 2 * width, n))
        here, there, width = there, here, 2 * width
    return here


@native
def _merge(here, there, begin, middle, end):
    """Two neighbouring ascending sequences become one; no branches, for none could be foretold."""
    a, b = begin, middle
    for q in range(begin, end):
        x, y = here[a], here[b]
        first = (b >= end) | ((a < middle) & (x < y))
        there[q] = x if first else y
        a += first
        b += 1 - first
