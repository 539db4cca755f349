"""Limits for pickles and packed rows that would fill the memory with nothing; honest ones come nowhere near.

A few bytes can ask for gigabytes: a place far out in the pickle's memory, lists of lists of the same list,
zeros packed a thousandfold. Such rows are refused before the memory is taken.
"""

from __future__ import annotations

import io
import pickletools
import zlib
from typing import Any, cast

import numpy as np

from atomscape.data.boxes import Foreign, UnsafePickle, refuse

LARGEST_ROW = 2**28
"""Bytes of one unpacked row, at most."""

LARGEST_UNFOLDED, REPEATED = 2**24, 16
"""Values of a pickle's containers when each is written out as often as it is referred to: as many may always
be, and so many times those that it holds."""


def refuse_far_places(file: io.BytesIO | io.BufferedReader) -> None:
    """Refuse a pickle that remembers something at a place beyond its own length: memory is taken up to there.

    The file stands at the beginning of a pickle, before and after.

    Raises
    ------
    UnsafePickle
        It does.
    """
    start = file.tell()
    try:
        for instruction, place, end in pickletools.genops(file):
            if instruction.name in ("PUT", "LONG_BINPUT") and cast(int, place) > cast(int, end):
                refuse(f"it remembers a value at place {place:,}, after {end:,} bytes")
    except UnsafePickle:
        raise
    except (ValueError, OverflowError):  # a broken one: the machine stops there too, and says why
        pass
    finally:
        file.seek(start)


def refuse_unfolding(value: Any) -> None:
    """Refuse containers that hold the same containers again and again, and would be huge when written out.

    Raises
    ------
    UnsafePickle
        They would hold more than ``LARGEST_UNFOLDED`` values, and many times more than they do.
    """
    sizes: dict[int, tuple[int, int]] = {}
    unfolded, held = _unfolded(value, sizes), sum(n for _, n in sizes.values())
    if unfolded > max(LARGEST_UNFOLDED, REPEATED * held):
        refuse(f"its lists hold one another so often that {held:,} values would become {unfolded:,}")


def inflated(content: bytes) -> bytes:
    """Bytes that zlib packed.

    Raises
    ------
    ValueError
        They are no such bytes, or more than ``LARGEST_ROW``.
    """
    packed = zlib.decompressobj()
    try:
        found = packed.decompress(content, LARGEST_ROW)
    except zlib.error as error:
        raise ValueError(f"a packed row is damaged ({error})") from error
    if packed.unconsumed_tail:
        raise ValueError(f"a row of {len(content):,} bytes unpacks to more than {LARGEST_ROW:,}")
    return found


def _unfolded(value: Any, sizes: dict[int, tuple[int, int]]) -> int:
    """Values within a value, written out; ``sizes`` of each container: the same number, and its members."""
    members = _members(value)
    if not members:
        return 1
    if id(value) not in sizes:
        sizes[id(value)] = 0, len(members)  # within itself it counts nothing: nobody can write that out
        sizes[id(value)] = sum(_unfolded(member, sizes) for member in members), len(members)
    return sizes[id(value)][0]


def _members(value: Any) -> list | tuple:
    if isinstance(value, list | tuple):
        return value
    if isinstance(value, dict):
        return tuple(value.values())
    if isinstance(value, Foreign):
        return tuple(value.__dict__.values())
    if isinstance(value, np.ndarray) and value.dtype == object:
        return value.reshape(-1).tolist()
    return ()
