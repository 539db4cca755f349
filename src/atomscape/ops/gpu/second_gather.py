"""Text of the kernels that sum over the edges of each atom in a second backward pass.

As in ``gather``, but for the sum of two or three convolutions over the same edges, with harmonics Y or a and
weights w or b. With M[o, i] = Σ_e C[i, e, o] Y[e] and N[o, i] = Σ_e C[i, e, o] a[e], for each path

    out[o] += Σ_i M[o, i] (w h[i] + b x[i]) + N[o, i] w x[i];        transposed, where there is no h,
    out[o] += Σ_i (b M[o, i] + w N[o, i]) x[i].
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from atomscape.ops.gpu import gather
from atomscape.ops.gpu.source import weighted_sum
from atomscape.ops.terms import Term

Sizes = tuple[int, int, int, int]


def text(group: Sequence[Term], sizes: Sizes, begun: set[int], empty: Sequence[int]) -> str:
    """Kernel for one group of terms; arguments as for ``gather.text``."""
    return gather.frame(group, sizes, begun, empty, ("x", "h"), ("Y", "a"), ("w", "b"), _edge(group, "xh"))


def text_transposed(group: Sequence[Term], sizes: Sizes, begun: set[int], empty: Sequence[int]) -> str:
    """Kernel for one group of transposed terms: features are those of one end only."""
    return gather.frame(group, sizes, begun, empty, ("x",), ("Y", "a"), ("w", "b"), _edge(group, "x"))


def _edge(group: Sequence[Term], features: str) -> Iterator[str]:
    yield from gather.loads(group, features, ("Y", "a"))
    for term in group:
        yield from gather.weights(term, ("w", "b"))
        for i in term.rows_in:
            yield f"u{i} = w_ * x{i}"
            yield f"v{i} = w_ * h{i} + b_ * x{i}" if "h" in features else f"v{i} = b_ * x{i}"
        matrix: dict[int, dict[int, list[tuple[int, float]]]] = {}
        for i, e, o, value in term.entries:
            matrix.setdefault(o, {}).setdefault(i, []).append((e, value))
        for o, row in matrix.items():
            products = [
                f"({weighted_sum((f'{harmonics}{e}', value) for e, value in parts)}) * {vector}{i}"
                for i, parts in row.items()
                for harmonics, vector in (("Y", "v"), ("a", "u"))
            ]
            yield f"o{o} += {' + '.join(products)}"
