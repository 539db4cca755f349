"""Arrays and texts as compact text inside an HTML file: byte-shuffled, gzipped, base64.

Shuffling puts the first bytes of all numbers together, then the second bytes, and so on: exponents and high
bytes are alike and compress, so coordinates take 15–40 % less room. The page's ``pack.js`` reverses it.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from atomscape.shapes import Shaped

DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")


@dataclass(frozen=True)
class Blob:
    """One packed array: how to read it, and the text itself."""

    dtype: str
    length: int
    text: str


def pack_array(values: Shaped[np.ndarray, "*shape"]) -> Blob:
    """Pack an array in row-major order, little-endian.

    Raises
    ------
    ValueError
        The dtype is none that a browser has a typed array for.
    """
    if values.dtype.name not in DTYPES:
        raise ValueError(f"cannot pack an array of {values.dtype}; a page reads {', '.join(DTYPES)}")
    flat = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<"), copy=False).ravel()
    shuffled = flat.view(np.uint8).reshape(-1, values.dtype.itemsize).T
    return Blob(values.dtype.name, flat.size, _deflate(shuffled.tobytes()))


def pack_texts(texts: Sequence[str]) -> Blob:
    """Pack a list of strings."""
    return Blob("json", len(texts), _deflate(json.dumps(list(texts), ensure_ascii=False).encode()))


def pack_source(source: str) -> Blob:
    """Pack one long text, such as a library's source."""
    return Blob("text", len(source), _deflate(source.encode()))


def smallest_exact(values: Shaped[np.ndarray, " structures"]) -> Shaped[np.ndarray, " structures"]:
    """Return the numbers in the smallest type that keeps them.

    Whole numbers become the smallest integer type. Others become float32 where the error is below a
    millionth of the spread of the finite values, else they stay float64.
    """
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if finite.size == values.size and np.array_equal(np.rint(values), values):
        for name in ("uint8", "int8", "uint16", "int16", "int32"):
            info = np.iinfo(name)
            if finite.size == 0 or (finite.min() >= info.min and finite.max() <= info.max):
                return values.astype(name)
    values = values.astype(np.float64)
    if finite.size == 0 or np.abs(finite).max() >= np.finfo(np.float32).max:
        return values.astype(np.float32) if finite.size == 0 else values
    error = np.abs(finite - finite.astype(np.float32).astype(np.float64)).max()
    spread = float(finite.max()) - float(finite.min())
    return values.astype(np.float32) if error <= 1e-6 * spread else values


def categories(values: Sequence[str]) -> tuple[list[str], Shaped[np.ndarray, " structures"]]:
    """Distinct strings in order of first appearance, and the number of each value in that list."""
    table: dict[str, int] = {}
    codes = np.fromiter((table.setdefault(v, len(table)) for v in values), dtype=np.int64, count=len(values))
    return list(table), codes.astype(
        "uint8" if len(table) < 2**8 else "uint16" if len(table) < 2**16 else "uint32"
    )


def _deflate(raw: bytes) -> str:
    return base64.b64encode(gzip.compress(raw, compresslevel=6, mtime=0)).decode("ascii")
