"""ASE databases in LMDB, as fairchem keeps them (``.aselmdb``): rows are ASE's JSON, compressed by zlib.

Keys are 1, 2, …, and ``nextid``, ``deleted_ids`` and ``metadata``, all values compressed JSON. A row has what
ASE's own databases have: ``numbers``, ``positions``, ``cell``, ``pbc``, results of a calculator, ``data``.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.db.row import AtomsRow
from ase.io.jsonio import decode, encode

from atomscape.atoms.structures import Structures
from atomscape.data.ase_rows import atoms_of_row, row_of
from atomscape.data.card import Card
from atomscape.data.described import KEY, described, description, properties_in, rows_of
from atomscape.data.format import Piece
from atomscape.data.lmdb_files import numbered_keys, opened, written
from atomscape.data.pickle_limits import inflated
from atomscape.data.reading import Reading

title = "ASE database in LMDB (fairchem)"
suffixes = (".aselmdb",)
trust = False
ROWS = 4096


def inputs(path: Path) -> list[Path]:
    """The file, if it bears the suffix of this format."""
    return [path] if path.suffix == ".aselmdb" and path.is_file() else []


def pieces(path: Path) -> list[Piece]:
    """Ranges of the numbered rows."""
    with opened(path) as transaction:
        n = len(numbered_keys(transaction))
    return [Piece(path, a, min(a + ROWS, n), a) for a in range(0, max(1, n), ROWS)]


def rows(piece: Piece, reading: Reading) -> Iterator[Atoms]:
    """Structures of some rows, with what ASE's databases keep besides (``data``, ``key_value_pairs``)."""
    with opened(piece.path) as transaction:
        metadata = _unpacked(transaction.get(b"metadata")) or {}
        told = described(metadata.get(KEY))
        for key in numbered_keys(transaction)[piece.start : piece.stop]:
            row = AtomsRow({"id": key, **_unpacked(transaction.get(str(key).encode()))})
            yield atoms_of_row(row, told)


def write(path: Path, batches: Iterable[Structures], card: Card) -> None:
    """Write rows as ASE does: what its calculators know goes to their results, other labels to ``data``."""
    count = 0
    properties: dict = {}
    with written(path) as put:
        for batch in batches:
            properties = properties or properties_in(card, batch)
            for row in rows_of(batch, properties, count):
                count += 1
                put(str(count).encode(), _packed(row_of(row, count)))
        put(b"nextid", _packed(count + 1))
        put(b"metadata", _packed({KEY: description(properties, card)}))


def _packed(value: Any) -> bytes:
    return zlib.compress(encode(value).encode())


def _unpacked(content: Any) -> Any:
    return None if content is None else decode(inflated(bytes(content)).decode())
