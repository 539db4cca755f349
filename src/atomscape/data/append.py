"""Add structures to the end of a store; a crash at any moment leaves it as it was, or with all of them.

New shards are written in a hidden folder, moved beside the old ones, which nobody touches, and last the card
is replaced in one step. Who has the store open keeps reading what it opened.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from atomscape.atoms.properties import Property
from atomscape.atoms.structures import Structures
from atomscape.data.atomic import explained, flush, remove, sweep
from atomscape.data.contents import Contents
from atomscape.data.lock import locked
from atomscape.data.record import StoreRecord, read_record
from atomscape.data.shard_files import Progress, write_shards
from atomscape.data.store import Store
from atomscape.data.write import hidden_card, write_record

HIDDEN = ".append.part"


def append_store(
    folder: str | Path,
    batches: Iterable[Structures],
    *,
    properties: Iterable[Property] = (),
    provenance: str = "",
    shard_atoms: int = 4_000_000,
    progress: Progress | None = None,
) -> Store:
    """Append structures to a store and open it anew; its fingerprint changes.

    Labels that are new are unknown for the structures from before, and the other way round. The new
    structures belong to no part of the fixed splits.

    Parameters
    ----------
    properties
        Of labels that neither the vocabulary nor the store knows, or that shall be compared with those of
        the store.
    provenance
        Added to what the card says of where the structures come from.

    Raises
    ------
    FileNotFoundError
        There is no store at that place.
    BusyStore
        Another process is changing the store.
    BrokenStore
        The store is incomplete.
    ValueError
        There are no structures, some are ill-formed, or a label does not fit the one in the store, in shape
        or unit.
    OSError
        The place cannot be written, or is full; the store is as it was.
    """
    folder = Path(folder)
    read_record(folder)
    with locked(folder), explained(folder):
        sweep(folder)
        record = read_record(folder)
        before, card = Contents.of(record), record.card
        known = before.joined(Contents(properties={p.name: p for p in properties}), card.name)
        with _hidden(folder, record) as hidden:
            new = write_shards(
                hidden, batches, known.properties, card.name, shard_atoms,
                first=len(before.shards), start=before.n_structures, progress=progress,
            )  # fmt: skip
            if not new.shards:
                raise ValueError(f"{card.name}: nothing to append, there are no structures")
            told = card.with_counts(provenance="; ".join(t for t in (card.provenance, provenance) if t))
            after = before.joined(new, card.name).record(told, card.splits, record.splits_sha256)
            for shard in new.shards:
                flush(hidden / shard.file)
                (hidden / shard.file).rename(folder / shard.file)
            flush(folder)
            write_record(folder, after)
            flush(folder)
    return Store.open(folder)


@contextmanager
def _hidden(folder: Path, record: StoreRecord) -> Iterator[Path]:
    """A folder for shards to come; what killed or failed appending left is swept away, before and after."""
    hidden = folder / HIDDEN
    _sweep(folder, record)
    hidden.mkdir()
    try:
        yield hidden
    except BaseException:
        _sweep(folder, read_record(folder))
        raise
    finally:
        remove(hidden)


def _sweep(folder: Path, record: StoreRecord) -> None:
    """Remove shards that are not on the card: no reader can have opened them."""
    remove(folder / HIDDEN)
    listed = {shard.file for shard in record.shards}
    for path in folder.glob("shard-*.arrow"):
        if path.name not in listed:
            path.unlink()
    hidden_card(folder).unlink(missing_ok=True)
