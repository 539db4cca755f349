"""Embeddings on disk: a folder of memory-mapped Arrow shards and a JSON card that says what they are.

A row is a structure: its ``id``, its ``row`` in the dataset, and its ``features`` (float32). The features are
the pooled invariants of one layer, block after block; ``card.blocks`` says which columns belong to which
degree and parity. The folder is written once; see ``atomscape.atlas.embed``.
"""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, ValidationError

from atomscape.data.shards import sha256
from atomscape.shapes import Float, Int

CARD = "embedding.json"
FORMAT = 1


class BrokenEmbeddings(OSError):
    """Embeddings on disk that are not what their card says: truncated, altered or incomplete."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Block(_Record):
    """Columns ``start … start + channels`` hold the invariants of one degree and parity."""

    l: int
    parity: int
    channels: int
    start: int

    @property
    def columns(self) -> slice:
        """Where the block stands among the features."""
        return slice(self.start, self.start + self.channels)

    @property
    def name(self) -> str:
        """For instance ``l=1 odd``."""
        sign = {1: " even", -1: " odd"}.get(self.parity, "")
        return f"l={self.l}{sign}"


class Origin(_Record):
    """What the embeddings were computed from: whoever has the same origin gets the same features."""

    model_hash: str
    encoder: str
    cutoff: float
    layer: str
    pooling: str
    dataset: str
    data_fingerprint: str
    rows_sha256: str


class EmbeddingShard(_Record):
    """One file of the folder."""

    file: str
    rows: int
    size: int
    sha256: str


class EmbeddingCard(_Record):
    """Contents of ``embedding.json``. Licence and citation are those of the dataset."""

    format: int = FORMAT
    origin: Origin
    blocks: tuple[Block, ...]
    shards: tuple[EmbeddingShard, ...]
    fingerprint: str
    n_of_dataset: int
    licence: str = ""
    citation: str = ""
    atomscape: str = ""


class EmbeddingStore:
    """Read-only access to embeddings. Open one with ``EmbeddingStore.open``."""

    def __init__(self, folder: Path, card: EmbeddingCard) -> None:
        self.folder, self.card = folder, card
        self._tables = [_mapped(folder, s) for s in card.shards]

    @staticmethod
    def open(folder: str | Path) -> EmbeddingStore:
        """Open embeddings; the sizes of all files are compared with the card, features are not read.

        Raises
        ------
        FileNotFoundError
            There are none at that place.
        BrokenEmbeddings
            The card is unreadable, or a file is missing or damaged.
        """
        folder = Path(folder)
        path = folder / CARD
        if not path.is_file():
            raise FileNotFoundError(f"no embeddings at {folder}: a folder with {CARD} in it is needed")
        try:
            return EmbeddingStore(folder, EmbeddingCard.model_validate_json(path.read_text()))
        except ValidationError as error:
            raise BrokenEmbeddings(f"{path} is not the card of embeddings: {error}") from error

    def __len__(self) -> int:
        """Return the number of structures."""
        return sum(s.rows for s in self.card.shards)

    def __repr__(self) -> str:
        """Name, counts and place."""
        what = f"{len(self)} × {self.n_features} of {self.card.origin.dataset!r}"
        return f"EmbeddingStore({what}, {str(self.folder)!r})"

    @property
    def n_features(self) -> int:
        """Number of features."""
        return sum(b.channels for b in self.card.blocks)

    @property
    def feature_names(self) -> list[str]:
        """Name of each column, for instance ``l=1 odd #3``."""
        return [f"{b.name} #{c}" for b in self.card.blocks for c in range(b.channels)]

    @cached_property
    def features(self) -> Float[np.ndarray, "structures features"]:
        """All features, float32; read-only and in place where there is one file, joined otherwise."""
        parts = [t.column("features").values.to_numpy(zero_copy_only=True) for t in self._tables]
        parts = [p.reshape(-1, self.n_features) for p in parts]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    @cached_property
    def rows(self) -> Int[np.ndarray, " structures"]:
        """Row of each structure in the dataset."""
        return np.concatenate([t.column("row").to_numpy(zero_copy_only=True) for t in self._tables])

    @cached_property
    def ids(self) -> list[str]:
        """Name of each structure in its dataset."""
        return [name for t in self._tables for name in t.column("id").to_pylist()]

    def block(self, l: int, parity: int | None = None) -> Float[np.ndarray, "structures channels"]:
        """Features of one degree; the parity may be left out where only one is present.

        Raises
        ------
        KeyError
            No such block, or two parities and none asked for.
        """
        fit = [b for b in self.card.blocks if b.l == l and parity in (None, b.parity)]
        if len(fit) != 1:
            there = [(b.l, b.parity) for b in self.card.blocks]
            raise KeyError(f"degree l={l}, parity={parity}: {len(fit)} blocks fit; there are {there}")
        return self.features[:, fit[0].columns]

    def verify(self) -> None:
        """Read every file and compare its checksum with the card.

        Raises
        ------
        BrokenEmbeddings
            A checksum differs; the message names the file.
        """
        for shard in self.card.shards:
            if sha256(self.folder / shard.file) != shard.sha256:
                raise BrokenEmbeddings(f"{self.folder / shard.file} was altered; embed the dataset anew")
        if fingerprint_of(self.card.shards) != self.card.fingerprint:
            raise BrokenEmbeddings(f"the fingerprint in {self.folder / CARD} does not fit its files")


def write_embedding_shard(
    path: Path,
    ids: list[str],
    rows: Int[np.ndarray, " structures"],
    features: Float[np.ndarray, "structures features"],
) -> None:
    """Write one file of embeddings."""
    flat = pa.array(np.ascontiguousarray(features, dtype=np.float32).reshape(-1))
    columns = {
        "id": pa.array(ids, pa.string()),
        "row": pa.array(rows.astype(np.int64)),
        "features": pa.FixedSizeListArray.from_arrays(flat, features.shape[1]),
    }
    table = pa.record_batch(list(columns.values()), names=list(columns))
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_batch(table)


def write_card(folder: Path, card: EmbeddingCard) -> None:
    """Write the card, last of all files."""
    text = json.dumps(card.model_dump(mode="json"), indent=1, ensure_ascii=False)
    (folder / CARD).write_text(text + "\n")


def fingerprint_of(shards: tuple[EmbeddingShard, ...]) -> str:
    """Checksum of the content: sha256 of the files' checksums, in order."""
    return hashlib.sha256("\n".join(s.sha256 for s in shards).encode()).hexdigest()


def _mapped(folder: Path, shard: EmbeddingShard) -> pa.RecordBatch:
    path = folder / shard.file
    if not path.is_file():
        raise BrokenEmbeddings(f"{path} is missing; embed the dataset anew")
    size = path.stat().st_size
    if size != shard.size:
        raise BrokenEmbeddings(f"{path} has {size} bytes, its card says {shard.size}; embed the dataset anew")
    try:
        return pa.ipc.open_file(pa.memory_map(str(path))).get_batch(0)
    except pa.ArrowException as error:
        raise BrokenEmbeddings(f"{path} cannot be read ({error}); embed the dataset anew") from error
