"""Files with one JSON object a line, packed or not."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Objects of a ``.jsonl`` or ``.jsonl.gz`` file, line after line.

    Raises
    ------
    ValueError
        A line is no JSON, or the file ends early; the message says where.
    """
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        read = 0
        try:
            for line in file:
                read += 1
                if line.strip():
                    yield json.loads(line)
        except (ValueError, EOFError) as error:
            raise ValueError(f"{path} cannot be read after {read} lines: {error}") from error
