"""Text of the kernels for derivatives of solid harmonics, by a constant sparse tensor.

∂S_lm/∂r_c = Σ_m' G[c, m, m'] S_{l−1, m'}. With the form linear in each of its arguments,

    P(g, h, S) = Σ_{l m c m'} G[c, m, m'] g_lm h_c S_{l−1, m'},

∂P/∂h is the gradient for a cotangent g, ∂P/∂g the change along h, and ∂P/∂S what their own derivatives need.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Literal, NamedTuple

from atomscape.o3.harmonics import solid_gradient_matrix
from atomscape.ops.gpu.source import define, weighted_sum
from atomscape.ops.gpu.tiles import cut, loaded, stored

Argument = Literal["g", "h", "S"]
GIVEN: dict[Argument, tuple[Argument, Argument]] = {"g": ("h", "S"), "h": ("g", "S"), "S": ("g", "h")}
"""The two arguments that the derivative with respect to an argument is made from."""

CONSTANTS = ("REAL", "BLOCK")


class Slope(NamedTuple):
    """One coefficient G and the columns of g, h and S it stands between."""

    g: int
    h: int
    S: int
    value: float


@cache
def _slopes_of(l: int) -> tuple[Slope, ...]:
    """All non-zero coefficients of one degree."""
    G = solid_gradient_matrix(l)
    return tuple(
        Slope(l * l + m, c, (l - 1) ** 2 + lower, G[c, m, lower].item())
        for c, m, lower in G.nonzero().tolist()
    )


def text(l_max: int, wanted: Argument) -> str:
    """Kernel for the derivative of P with respect to one argument, for points as lanes."""
    given = GIVEN[wanted]
    body = [
        "row = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)",
        "inside = row < points",
        *_body(l_max, wanted),
    ]
    return define("slopes", (*given, "out", "points"), CONSTANTS, body)


def _body(l_max: int, wanted: Argument) -> Iterator[str]:
    """Degree by degree, so that few columns are in registers; a tile is loaded when first needed."""
    width = {"g": (l_max + 1) ** 2, "h": 3, "S": (l_max + 1) ** 2}
    waiting = {name: list(cut(width[name])) for name in GIVEN[wanted]}
    unwritten = list(cut(width[wanted]))
    made: set[int] = set()
    for l in range(1, l_max + 1):
        sums = _sums(l, wanted)
        for name, tiles in waiting.items():
            last = max(getattr(slope, name) for slope in _slopes_of(l))
            while tiles and tiles[0].start <= last:
                tile = tiles.pop(0)
                yield from loaded(name, width[name], [f"{name}{k}" for k in tile], tile)
        for to, parts in sums.items():
            products = " + ".join(f"{outer} * ({weighted_sum(inner)})" for outer, inner in parts.items())
            yield f"out{to} {'+=' if to in made else '='} {products}"
            made.add(to)
        while unwritten and made.issuperset(unwritten[0]) and (wanted != "h" or l == l_max):
            yield from _written(unwritten.pop(0), width[wanted])
    for tile in unwritten:
        yield from (f"out{k} = tl.zeros([BLOCK], REAL)" for k in tile if k not in made)
        yield from _written(tile, width[wanted])


def _written(tile: range, width: int) -> Iterator[str]:
    return stored("out", width, [f"out{k}" for k in tile], tile)


def _sums(l: int, wanted: Argument) -> dict[int, dict[str, list[tuple[str, float]]]]:
    """For each column wanted: factors and the weighted sum each multiplies; factors are h if it is given."""
    one, two = sorted(GIVEN[wanted], key=lambda name: name != "h")
    sums: dict[int, dict[str, list[tuple[str, float]]]] = {}
    for slope in _slopes_of(l):
        outer, inner, to = (getattr(slope, name) for name in (one, two, wanted))
        sums.setdefault(to, {}).setdefault(f"{one}{outer}", []).append((f"{two}{inner}", slope.value))
    return sums
