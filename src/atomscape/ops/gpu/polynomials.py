"""Text of the kernel for harmonics: the recursion of ``atomscape.o3.harmonics``, run on symbols.

A lane has one point. The recursion builds expressions; they are written out column by column, each when the
first column needs it, so that few are in registers at a time. For spherical harmonics the vector is divided
by its length first, and r² is 1 (0 for the zero vector, whose harmonics are 0 but for Y₀ = 1).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from atomscape.o3.harmonics import monic_columns, norms
from atomscape.ops.gpu.source import define
from atomscape.ops.gpu.tiles import cut, stored

ARGUMENTS = ("r", "out", "points")
CONSTANTS = ("REAL", "BLOCK")


@dataclass(frozen=True, eq=False)
class Symbol:
    """An expression: a pattern, and the expressions it is filled with. Without these it is a variable."""

    pattern: str
    parts: tuple[Symbol, ...] = ()

    def __add__(self, other: Symbol) -> Symbol:
        """Sum."""
        return Symbol("{} + {}", (self, other))

    def __mul__(self, other: Symbol | float) -> Symbol:
        """Product with an expression, or with a constant in full precision."""
        if isinstance(other, Symbol):
            return Symbol("{} * {}", (self, other))
        return Symbol(f"{other!r} * {{}}", (self,))


def fused(c: Symbol, a: Symbol, b: Symbol, k: float = 1.0) -> Symbol:
    """Return c + k·a·b."""
    if abs(k) == 1:
        return Symbol("{} - {} * {}" if k < 0 else "{} + {} * {}", (c, a, b))
    return Symbol(f"{{}} + {k!r} * ({{}} * {{}})", (c, a, b))


def text(l_max: int, on_sphere: bool) -> str:
    """Kernel for all degrees up to ``l_max``."""
    lm = (l_max + 1) ** 2
    x, y, z, r2, one = (Symbol(name) for name in ("x", "y", "z", "r2", "one"))
    columns = monic_columns(x, y, z, r2, one, l_max, fused)
    body = [
        "row = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)",
        "inside = row < points",
        *(f"{x} = tl.load(r + row * 3 + {c}, mask=inside, other=0).to(REAL)" for c, x in enumerate("xyz")),
        "r2 = x * x + y * y + z * z",
        "one = tl.full([BLOCK], 1, REAL)",
        *(_directed() if on_sphere else ()),
    ]
    names: dict[Symbol, str] = {}
    factors = norms(l_max)
    for tile in cut(lm):
        for k in tile:
            body += _written(columns[k], names)
            body.append(f"s{k} = {factors[k]!r} * {names[columns[k]]}")
        body += stored("out", lm, [f"s{k}" for k in tile], tile)
    return define("harmonics", ARGUMENTS, CONSTANTS, body)


def _directed() -> Iterator[str]:
    yield "directed = r2 > 0"
    yield "inverse = tl.where(directed, 1 / tl.sqrt(tl.where(directed, r2, 1)), 0)"
    yield from (f"{x} = {x} * inverse" for x in "xyz")
    yield "r2 = directed.to(REAL)"


def _written(symbol: Symbol, names: dict[Symbol, str]) -> Iterator[str]:
    """Lines that give the expression a name, after those it is made from; nothing is written twice."""
    if symbol in names:
        return
    for part in symbol.parts:
        yield from _written(part, names)
    names[symbol] = f"v{len(names)}" if symbol.parts else symbol.pattern
    if symbol.parts:
        yield f"{names[symbol]} = {symbol.pattern.format(*(names[part] for part in symbol.parts))}"
