"""Text that moves rows between memory and registers, a variable for each column, a lane for each row.

A warp that stores one column touches as many cache lines as it has rows. So up to sixteen neighbouring
columns go together, as a tile that Triton lays out along memory: columns are joined (or split) in pairs whose
numbers differ in one binary digit, the highest first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

WIDEST = 16


def cut(columns: int) -> Iterator[range]:
    """Consecutive columns in tiles whose widths are powers of two, none wider than ``WIDEST``."""
    start = 0
    while start < columns:
        width = min(WIDEST, 1 << (columns - start).bit_length() - 1)
        yield range(start, start + width)
        start += width


def stored(pointer: str, pitch: int, names: Sequence[str], tile: range) -> Iterator[str]:
    """Store the variables ``names`` of a tile's columns."""
    joined = list(names)
    while len(joined) > 1:
        half = len(joined) // 2
        joined = [f"tl.join({a}, {b})" for a, b in zip(joined[:half], joined[half:], strict=True)]
    value, address, mask = joined[0], f"{pointer} + row * {pitch} + {tile.start}", "inside"
    if len(tile) > 1:
        value = f"tl.reshape({value}, [BLOCK, {len(tile)}])"
        address, mask = _wide(pointer, pitch, tile)
    yield f"tl.store({address}, {value}, mask={mask})"


def loaded(pointer: str, pitch: int, names: Sequence[str], tile: range) -> Iterator[str]:
    """Load a tile's columns into the variables ``names``, in the precision to calculate in."""
    if len(tile) == 1:
        address = f"{pointer} + row * {pitch} + {tile.start}"
        yield f"{names[0]} = tl.load({address}, mask=inside, other=0).to(REAL)"
        return
    address, mask = _wide(pointer, pitch, tile)
    digits = ", ".join(["2"] * (len(tile).bit_length() - 1))
    yield f"{names[0]} = tl.reshape(tl.load({address}, mask={mask}, other=0).to(REAL), [BLOCK, {digits}])"
    step = 1
    while step < len(tile):
        yield from (f"{names[k]}, {names[k + step]} = tl.split({names[k]})" for k in range(step))
        step *= 2


def _wide(pointer: str, pitch: int, tile: range) -> tuple[str, str]:
    column = f"tl.arange(0, {len(tile)})[None, :]"
    return f"{pointer} + row[:, None] * {pitch} + {tile.start} + {column}", "inside[:, None]"
