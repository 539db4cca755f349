"""Embed a dataset: run an encoder over all structures and keep the pooled invariants of one layer.

The work is done file by file beside the final folder. A run that was killed and is started again with the
same model and data takes over the files that are complete; the folder gets its final name when all are.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from atomscape import __version__
from atomscape.atlas.embedding_store import (
    Block,
    EmbeddingCard,
    EmbeddingShard,
    EmbeddingStore,
    Origin,
    fingerprint_of,
    write_card,
    write_embedding_shard,
)
from atomscape.atoms.graph import Graph
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.structures import Structures
from atomscape.data.atomic import flush
from atomscape.data.batches import Batches
from atomscape.data.shards import sha256
from atomscape.data.store import Store
from atomscape.find import suggest
from atomscape.learn.model import Model
from atomscape.nn.embedding import Embedding
from atomscape.shapes import Float, Int

BATCH_ATOMS = 1024
SHARD_ROWS = 16_384
POOLINGS = ("mean", "sum")

Encoder = Any
"""A module with ``cutoff`` (Å), ``irreps`` and ``(graph, layers=False) -> Embedding``."""

Progress = Callable[[int, int], None]
"""Called with the number of structures done and the number of all."""


def embed(
    model: Model | nn.Module,
    store: Store,
    folder: str | Path,
    *,
    layer: str = "last",
    pooling: str = "mean",
    rows: Sequence[int] | Int[np.ndarray, " chosen"] | None = None,
    batch_atoms: int = BATCH_ATOMS,
    progress: Progress | None = None,
    overwrite: bool = False,
) -> EmbeddingStore:
    """Write the embeddings of a dataset to a new folder and open them.

    Parameters
    ----------
    model
        A model, or an encoder alone.
    layer
        ``"last"``, or the name of a layer (``layer_names`` lists them).
    pooling
        ``"mean"`` or ``"sum"`` over the atoms of a structure.
    rows
        Structures to embed (a split, say); None means all.
    batch_atoms
        Atoms of one batch.

    Raises
    ------
    FileExistsError
        The folder exists and ``overwrite`` is False.
    ValueError
        Nothing to embed, no such layer or pooling, or features that are not finite.
    OSError
        The place cannot be written.
    """
    folder, chosen = Path(folder), _chosen(rows, len(store))
    _refuse(folder, overwrite)
    if pooling not in POOLINGS:
        raise ValueError(f"no pooling {pooling!r}{suggest(pooling, POOLINGS)} Known: {', '.join(POOLINGS)}.")
    encoder: Encoder = model.encoder if isinstance(model, Model) else model
    was_training = encoder.training
    encoder.eval()
    try:
        reader = _Reader(encoder, store, layer, pooling, batch_atoms)
        origin = _origin(model, reader, chosen)
        hidden = _workplace(folder, origin)
        shards = _write_shards(hidden, reader, chosen, progress)
        _publish(hidden, folder, _card(origin, reader, shards), overwrite)
    finally:
        encoder.train(was_training)
    return EmbeddingStore.open(folder)


def layer_names(encoder: Encoder) -> list[str]:
    """Names of an encoder's layers, input first; the last one is what ``"last"`` means."""
    graph = neighbour_graph(Structures.empty(), encoder.cutoff)
    with torch.no_grad():
        return [e.layer for e in encoder(graph, layers=True).layers]


@dataclass(eq=False)
class _Reader:
    """Turns rows of a dataset into features."""

    encoder: Encoder
    store: Store
    layer: str
    pooling: str
    batch_atoms: int

    def __post_init__(self) -> None:
        names = layer_names(self.encoder)
        if self.layer not in ("last", *names):
            raise ValueError(
                f"no layer {self.layer!r}{suggest(self.layer, names)} Known: last, {', '.join(names)}."
            )
        self.layer = names[-1] if self.layer == "last" else self.layer
        self.is_last = self.layer == names[-1]
        self.device = next(chain(self.encoder.parameters(), self.encoder.buffers())).device

    def embedding(self, graph: Graph) -> Embedding:
        """Embedding at the layer asked for."""
        if self.is_last:
            return self.encoder(graph)
        return next(e for e in self.encoder(graph, layers=True).layers if e.layer == self.layer)

    def blocks(self) -> tuple[Block, ...]:
        """Columns of each degree and parity, in the order of ``Embedding.invariants``."""
        with torch.no_grad():
            found = self.embedding(neighbour_graph(Structures.empty(), self.encoder.cutoff).to(self.device))
        blocks, start = [], 0
        for l, parity in sorted(found.blocks):
            channels = found.block_invariants(l, parity).shape[1]
            blocks.append(Block(l=l, parity=parity, channels=channels, start=start))
            start += channels
        return tuple(blocks)

    def features(
        self, rows: Int[np.ndarray, " chosen"], report: Callable[[int], None]
    ) -> Float[np.ndarray, "chosen features"]:
        """Pooled invariants of some rows, float32."""
        parts, done = [], 0
        for batch in Batches(self.store.counts[rows], max_atoms=self.batch_atoms, shuffle=False).epoch(0):
            structures = self.store[rows[batch]]
            graph = neighbour_graph(structures, self.encoder.cutoff).to(self.device)
            with torch.no_grad():
                pooled = self.embedding(graph).pooled(graph.structures, self.pooling)
            parts.append(pooled.to(torch.float32).cpu().numpy())
            self._check(parts[-1], structures.ids)
            done += len(batch)
            report(done)
        return np.concatenate(parts)

    def _check(self, features: np.ndarray, ids: Sequence[str]) -> None:
        bad = np.flatnonzero(~np.isfinite(features).all(1))
        if bad.size:
            raise ValueError(
                f"features of {bad.size} structures are not finite, first {ids[bad[0]]!r} of "
                f"{self.store.card.name}: the model diverged, or the structure is far from its training data"
            )


def _write_shards(
    hidden: Path, reader: _Reader, chosen: Int[np.ndarray, " chosen"], progress: Progress | None
) -> tuple[EmbeddingShard, ...]:
    shards, n = [], len(chosen)
    for k, start in enumerate(range(0, n, SHARD_ROWS)):
        rows = chosen[start : start + SHARD_ROWS]
        path = hidden / f"shard-{k:05d}.arrow"

        def report(done: int, start: int = start) -> None:
            if progress is not None:
                progress(start + done, n)

        if not path.is_file():  # complete: files get their names by renaming
            features = reader.features(rows, report)
            part = path.with_suffix(f".{os.getpid()}.part")
            write_embedding_shard(part, [reader.store.ids[r] for r in rows], rows, features)
            flush(part)
            part.rename(path)
        report(len(rows))
        size = path.stat().st_size
        shards.append(EmbeddingShard(file=path.name, rows=len(rows), size=size, sha256=sha256(path)))
    return tuple(shards)


def _origin(model: nn.Module, reader: _Reader, chosen: Int[np.ndarray, " chosen"]) -> Origin:
    return Origin(
        model_hash=model.hash if isinstance(model, Model) else encoder_hash(reader.encoder),
        encoder=f"{type(reader.encoder).__name__}, {reader.encoder.irreps}",
        cutoff=reader.encoder.cutoff,
        layer=reader.layer,
        pooling=reader.pooling,
        dataset=reader.store.card.name,
        data_fingerprint=reader.store.fingerprint,
        rows_sha256=hashlib.sha256(chosen.tobytes()).hexdigest(),
    )


def encoder_hash(encoder: Encoder) -> str:
    """SHA-256 over the kind of an encoder and its weights."""
    digest = hashlib.sha256(
        f"{type(encoder).__module__}.{type(encoder).__qualname__} {encoder.cutoff}".encode()
    )
    for name, tensor in sorted(encoder.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _card(origin: Origin, reader: _Reader, shards: tuple[EmbeddingShard, ...]) -> EmbeddingCard:
    card = reader.store.card
    return EmbeddingCard(
        origin=origin,
        blocks=reader.blocks(),
        shards=shards,
        fingerprint=fingerprint_of(shards),
        n_of_dataset=len(reader.store),
        licence=card.licence,
        citation=card.citation,
        atomscape=__version__,
    )


def _chosen(rows: Sequence[int] | np.ndarray | None, n: int) -> Int[np.ndarray, " chosen"]:
    chosen = np.arange(n) if rows is None else np.asarray(rows, dtype=np.int64).reshape(-1)
    if not len(chosen):
        raise ValueError("nothing to embed: no rows were chosen")
    if chosen.min() < 0 or chosen.max() >= n:
        raise ValueError(f"rows {chosen.min()}…{chosen.max()} asked of a dataset of {n} structures")
    return chosen


def _workplace(folder: Path, origin: Origin) -> Path:
    """Hidden folder of this very piece of work; those of other work on the same target are removed."""
    key = hashlib.sha256(json.dumps(origin.model_dump(), sort_keys=True).encode()).hexdigest()[:16]
    hidden = folder.parent / f".{folder.name}~{key}.embedding"
    try:
        hidden.mkdir(parents=True, exist_ok=True)
        for other in folder.parent.glob(f".{folder.name}~*.embedding"):
            if other != hidden:
                shutil.rmtree(other, ignore_errors=True)
        for part in hidden.glob("*.part"):
            part.unlink(missing_ok=True)
    except OSError as error:
        what = error.strerror or str(error)
        raise OSError(error.errno, f"cannot write {folder} ({what}); choose another place") from error
    return hidden


def _publish(hidden: Path, folder: Path, card: EmbeddingCard, overwrite: bool) -> None:
    write_card(hidden, card)
    for path in hidden.iterdir():
        flush(path)
    _refuse(folder, overwrite)
    if folder.exists():
        old = hidden.with_name(hidden.name + ".old")
        folder.rename(old)
        hidden.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    else:
        hidden.rename(folder)


def _refuse(folder: Path, overwrite: bool) -> None:
    if folder.exists() and not overwrite:
        raise FileExistsError(f"{folder} exists and is not overwritten; give another place or overwrite=True")
