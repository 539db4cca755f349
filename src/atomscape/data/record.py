"""The record of a store, kept as ``card.json``: the card, the shards with checksums, the types of labels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from atomscape.data.card import Card
from atomscape.data.shards import BrokenStore

CARD, SPLITS = "card.json", "splits.json"
FORMAT = 1


class ShardRecord(BaseModel):
    """What the card knows of a shard."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    file: str
    structures: int
    atoms: int
    size: int
    sha256: str


class StoreRecord(BaseModel):
    """Contents of ``card.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: int
    fingerprint: str
    card: Card
    shards: tuple[ShardRecord, ...]
    dtypes: dict[str, str]
    splits_sha256: str = ""


def fingerprint_of(shards: Sequence[ShardRecord]) -> str:
    """Checksum of the content: sha256 of the shards' checksums, in order."""
    return hashlib.sha256("\n".join(s.sha256 for s in shards).encode()).hexdigest()


def read_record(folder: Path) -> StoreRecord:
    """Read the record of the store in a folder and compare the sizes of its shards with it.

    Raises
    ------
    FileNotFoundError
        There is no store at that place.
    BrokenStore
        The card is unreadable, or a shard is missing or has the wrong size.
    """
    path = folder / CARD
    if not path.is_file():
        raise FileNotFoundError(f"no store at {folder}: a store is a folder with {CARD} in it")
    try:
        content = json.loads(path.read_text())
        found = content.get("format")
        if found != FORMAT:
            raise BrokenStore(f"{path} has format {found!r}; this version reads format {FORMAT}")
        record = StoreRecord.model_validate(content)
    except (ValidationError, ValueError, AttributeError) as error:
        raise BrokenStore(f"{path} is not the card of a store: {error}") from error
    for shard in record.shards:
        check_size(folder / shard.file, shard)
    return record


CardSeen = tuple[int, int, int]


def card_seen(folder: Path) -> CardSeen:
    """What tells the card of a folder from any that was there before: node, size and time."""
    try:
        status = (folder / CARD).stat()
    except (FileNotFoundError, NotADirectoryError):
        return 0, 0, 0
    return status.st_ino, status.st_size, status.st_mtime_ns


def check_size(path: Path, record: ShardRecord) -> None:
    """Compare the size of a shard's file with its record.

    Raises
    ------
    BrokenStore
        The file is missing or has another size.
    """
    if not path.is_file():
        raise BrokenStore(f"shard {path} is missing; write the store anew")
    size = path.stat().st_size
    if size != record.size:
        what = "truncated" if size < record.size else "altered"
        raise BrokenStore(
            f"shard {path} is {what}: {size} bytes, the card says {record.size}; write the store anew"
        )
