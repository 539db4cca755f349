"""How two processes exchange arrays: words through pipes, numbers through memory that both map.

A message is a line of JSON; the arrays that belong to it stand one after the other in an anonymous file that
has no name and no place, only the descriptors that a parent hands to its child. So there is nothing to clean
up, however a process ends. A child that reads the end of its input knows that its parent is gone, and ends.

This file is read by the interpreters of other packages too, and needs NumPy only.
"""

from __future__ import annotations

import json
import mmap
import os
import tempfile
from collections.abc import Mapping
from typing import Any

import numpy as np

ALIGN = 64
"""Arrays begin at multiples of so many bytes."""


class Board:
    """Memory that one process writes and the other reads; it grows with what is written."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor, self._size, self._map = descriptor, 0, None

    def write(self, arrays: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
        """Put arrays down; what is returned tells the reader where and what they are."""
        found = {name: np.asarray(a, order="C") for name, a in arrays.items()}
        places, end = [], 0
        for name, a in found.items():
            places.append({"name": name, "shape": a.shape, "dtype": a.dtype.str, "at": end})
            end += -(-a.nbytes // ALIGN) * ALIGN
        if end > os.fstat(self.descriptor).st_size:
            os.ftruncate(self.descriptor, end)
        for place, a in zip(places, found.values(), strict=True):
            if a.nbytes:
                self._view(place)[...] = a
        return places

    def read(self, places: list[dict[str, Any]]) -> dict[str, np.ndarray]:
        """Copies of the arrays of a message."""
        return {
            p["name"]: self._view(p).copy() if 0 not in p["shape"] else np.empty(p["shape"], p["dtype"])
            for p in places
        }

    def _view(self, place: dict[str, Any]) -> np.ndarray:
        size = os.fstat(self.descriptor).st_size
        if self._map is None or self._size != size:
            self._map, self._size = mmap.mmap(self.descriptor, size), size
        return np.ndarray(place["shape"], place["dtype"], self._map, place["at"])


def anonymous_file() -> int:
    """Descriptor of a file that has no name."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("atomscape")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def send(pipe: Any, board: Board, arrays: Mapping[str, np.ndarray], **words: Any) -> None:
    """Write a message."""
    pipe.write(json.dumps({**words, "arrays": board.write(arrays)}) + "\n")
    pipe.flush()


def receive(pipe: Any, board: Board) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
    """Read a message: its words and its arrays; None at the end of the pipe."""
    line = pipe.readline()
    if not line:
        return None
    words = json.loads(line)
    return words, board.read(words.pop("arrays"))
