"""ASE's databases in SQLite (``.db``): results, ``key_value_pairs`` and ``data`` of each row are columns.

Units that the metadata state for properties (``_property_unit_dict``, as SchNetPack writes it) are heeded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

from ase import Atoms
from ase.db import connect
from ase.db.row import AtomsRow

from atomscape.atoms.structures import Structures
from atomscape.data.ase_rows import atoms_of_row, row_of
from atomscape.data.card import Card
from atomscape.data.described import KEY, described, description, properties_in, rows_of
from atomscape.data.format import Piece
from atomscape.data.reading import Reading

title = "ASE database in SQLite"
suffixes = (".db",)
trust = False
ROWS = 4096
MAGIC = b"SQLite format 3\x00"


def inputs(path: Path) -> list[Path]:
    """The file, if it is SQLite and named as ASE names its databases."""
    if path.suffix != ".db" or not path.is_file():
        return []
    with path.open("rb") as file:
        return [path] if file.read(16) == MAGIC else []


def pieces(path: Path) -> list[Piece]:
    """Ranges of rows."""
    n = max(1, connect(path).count())
    return [Piece(path, a, min(a + ROWS, n), a) for a in range(0, n, ROWS)]


def rows(piece: Piece, reading: Reading) -> Iterator[Atoms]:
    """Structures of some rows."""
    database = connect(piece.path)
    metadata = cast(dict[str, Any], database.metadata)
    told = described(metadata.get(KEY))
    units = metadata.get("_property_unit_dict", {})
    stated = {f"{name}_unit": unit for name, unit in units.items() if isinstance(unit, str) and unit}
    limit = None if piece.stop is None else piece.stop - piece.start
    for row in database.select(limit=limit, offset=piece.start):
        atoms = atoms_of_row(row, told)
        atoms.info |= stated
        yield atoms


def write(path: Path, batches: Iterable[Structures], card: Card) -> None:
    """Write a database; labels that ASE's calculators do not know go to ``data``."""
    count = 0
    properties: dict = {}
    with cast(Any, connect(path)) as database:
        for batch in batches:
            properties = properties or properties_in(card, batch)
            for row in rows_of(batch, properties, count):
                count += 1
                made = row_of(row, count)
                database.write(AtomsRow({"id": count, **made}), data=made["data"])
    if count:
        cast(Any, connect(path)).metadata = {KEY: description(properties, card)}
