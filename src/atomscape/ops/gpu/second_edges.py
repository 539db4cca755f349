"""Text of the kernel for what belongs to one edge in a second backward pass.

As in ``edges``, but for the sum of two forms over the same edge. With products x[i] g[o] and h[i] g[o], for
each path and channel

    u[e] = Σ_io C[i, e, o] x[i] g[o],    t[e] = Σ_io C[i, e, o] h[i] g[o],
    dw = Σ_e Y[e] t[e] + a[e] u[e],      dY[e] = Σ_paths Σ_channels w t[e] + b u[e].
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from atomscape.ops.gpu import edges
from atomscape.ops.gpu.source import weighted_sum
from atomscape.ops.terms import Term


def text(
    group: Sequence[Term], sizes: tuple[int, int, int, int], begun: set[int], empty: Sequence[int]
) -> str:
    """Kernel for one group of terms; arguments as for ``edges.text``."""
    return edges.frame(group, sizes, begun, empty, ("x", "h"), ("Y", "a"), ("w", "b"), _channels(group))


def _channels(group: Sequence[Term]) -> Iterator[str]:
    yield from edges.loads(group, ("x", "h"))
    made: set[str] = set()
    for term in group:
        products = {
            f"{name}{i}_{o}": f"{vector}{i} * g{o}"
            for i, _, o, _ in term.entries
            for name, vector in (("p", "x"), ("q", "h"))
        }
        yield from (f"{name} = {products[name]}" for name in products if name not in made)
        made |= set(products)
        yield from edges.weights(term, ("w", "b"))
        yield from (f"u{e} = {_sum(term, e, 'p')}" for e in term.rows_edge)
        yield from (f"t{e} = {_sum(term, e, 'q')}" for e in term.rows_edge)
        yield from (f"d{e} += w_ * t{e} + b_ * u{e}" for e in term.rows_edge)
        total = " + ".join(f"Y{e} * t{e} + a{e} * u{e}" for e in term.rows_edge)
        yield edges.stored(term, total)


def _sum(term: Term, row: int, products: str) -> str:
    return weighted_sum((f"{products}{i}_{o}", value) for i, e, o, value in term.entries if e == row)
