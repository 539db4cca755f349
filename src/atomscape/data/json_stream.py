"""Elements of long JSON lists and objects, one after the other, in memory for the largest of them.

``json.load`` of a database dump of gigabytes needs tens of gigabytes; here the text is decoded as it is read.
"""

from __future__ import annotations

import bz2
import gzip
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOBase
from pathlib import Path
from typing import Any

CHUNK = 1 << 20
"""Characters read at a time."""
LONGEST_TOKEN = 64
"""Characters before the window's end in which a fault may come from the cut alone."""
_SPACE = " \t\n\r"
_AFTER = tuple(_SPACE + ",:]}")
"""What follows a whole value; ``12`` before a point or an exponent, or at the window's end, may go on."""


def list_items(file: TextIOBase, key: str | None = None, chunk: int = CHUNK) -> Iterator[Any]:
    """Elements of the list that the text is, or that stands under ``key`` of the object that it is.

    Other values of that object are decoded and dropped, one at a time.

    Raises
    ------
    ValueError
        The text is no such JSON, or ends early.
    """
    text = _Text(file, chunk)
    if key is not None:
        text.expect("{")
        while text.peek() != "}" and text.value() != key:
            text.expect(":")
            text.value()
            if text.expect(",}") == "}":
                raise ValueError(f"the JSON has no {key!r}")
        if text.peek() == "}":
            raise ValueError(f"the JSON has no {key!r}")
        text.expect(":")
    text.expect("[")
    if text.peek() == "]":
        return
    while True:
        yield text.value()
        if text.expect(",]") == "]":
            return


def file_items(path: Path, key: str | None = None, chunk: int = CHUNK) -> Iterator[Any]:
    """Elements of a list in a file (``.gz`` and ``.bz2`` too); see ``list_items``. Errors name the file."""
    with _opened(path) as file:
        yield from list_items(file, key, chunk)


def json_entries(path: Path, chunk: int = CHUNK) -> Iterator[tuple[str, Any]]:
    """Keys and values of the object that a file (``.gz`` and ``.bz2`` too) holds, in order.

    Raises
    ------
    ValueError
        The file holds no JSON object, or ends before the object does.
    """
    with _opened(path) as file:
        text = _Text(file, chunk)
        text.expect("{")
        ended = text.peek() == "}"
        while not ended:
            key = text.value()
            text.expect(":")
            yield key, text.value()
            ended = text.expect(",}") == "}"


@contextmanager
def _opened(path: Path) -> Iterator[TextIOBase]:
    """The text of a file, unpacked; what cannot be read is told with its name."""
    how = {".gz": gzip.open, ".bz2": bz2.open}.get(path.suffix, open)
    try:
        with how(path, "rt", encoding="utf-8") as file:
            yield file
    except (ValueError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path}: {error}; download it again") from error


class _Text:
    """A window that moves over the text; ``at`` is the next character in it."""

    def __init__(self, file: TextIOBase, chunk: int):
        self.file, self.chunk = file, chunk
        self.window, self.at, self.ended = "", 0, False
        self.decode = json.JSONDecoder().raw_decode

    def peek(self) -> str:
        """Next character that is no space."""
        while True:
            while self.at < len(self.window):
                if self.window[self.at] not in _SPACE:
                    return self.window[self.at]
                self.at += 1
            if not self._more():
                raise ValueError("the JSON ends early")

    def expect(self, wanted: str) -> str:
        """Take one of the characters wanted."""
        found = self.peek()
        if found not in wanted:
            raise ValueError(f"the JSON has {found!r} where {' or '.join(wanted)} should stand")
        self.at += 1
        return found

    def value(self) -> Any:
        """Take one whole value; the window grows twofold until it fits, so that no text is read often."""
        self.peek()
        while True:
            try:
                value, end = self.decode(self.window, self.at)
                if self.ended or self.window[end : end + 1] in _AFTER:
                    self.at = end
                    return value
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated") or error.pos > len(self.window) - LONGEST_TOKEN
                if self.ended or not cut:
                    raise ValueError(f"the JSON ends early or is none ({error.msg})") from None
            self._more(max(self.chunk, len(self.window) - self.at))

    def _more(self, size: int = 0) -> bool:
        found = self.file.read(size or self.chunk)
        self.window, self.at = self.window[self.at :] + found, 0
        self.ended = not found
        return bool(found)
