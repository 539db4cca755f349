"""JSON lines: one structure a line, in any spelling of ``atomscape.data.foreign_rows``; ``.gz`` too."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

from ase import Atoms

from atomscape.data.foreign_rows import atoms_of
from atomscape.data.format import Piece, whole
from atomscape.data.reading import Reading

title = "JSON lines, one structure each (also pymatgen's as dictionaries)"
suffixes = (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")
trust = False
pieces = whole


def inputs(path: Path) -> list[Path]:
    """The file, if its name says so."""
    return [path] if path.name.lower().endswith(suffixes) and path.is_file() else []


def rows(piece: Piece, reading: Reading) -> Iterator[Atoms]:
    """Structures line by line; those without a name are called by their ``key``, else counted."""
    opener = gzip.open if piece.path.suffix == ".gz" else open
    with opener(piece.path, "rt", encoding="utf-8") as file:
        for number, line in enumerate(file):
            if line.strip():
                row = json.loads(line)
                yield atoms_of(row, str(row.pop("key", number)))
