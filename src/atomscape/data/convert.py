"""Convert anything to anything: from file to file without a copy in between, one batch in memory at a time.

Files are read twice, once to see which columns there are and once to write. Where a store is written, several
processes may share the second reading, each taking pieces of the input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from atomscape.atoms.labels import LabelMap
from atomscape.atoms.structures import Structures
from atomscape.data.card import Card
from atomscape.data.export import BATCH, batches_of, export
from atomscape.data.files import Frames, labels_of, pieces_of, read_files
from atomscape.data.format import Piece
from atomscape.data.load import card_of_files, load
from atomscape.data.named import is_source_name
from atomscape.data.parallel import write_store_parallel
from atomscape.data.reading import Reading
from atomscape.data.store import is_store, write_store

Bar = Callable[[str, int | None], AbstractContextManager[Callable[[int], None]]]
"""Makes a progress bar of a title and a total (None: not known), which is told how many structures came."""

TOGETHER = 64
"""Pieces that a process takes at a time, at most."""


@dataclass(frozen=True)
class Converted:
    """What was written where."""

    path: Path
    structures: int
    atoms: int
    skipped: tuple[str, ...] = ()


def silent(title: str, total: int | None) -> AbstractContextManager[Callable[[int], None]]:
    """No bar."""
    return nullcontext(lambda n: None)


def convert_any(
    what: str | Path,
    target: Path,
    reading: Reading | None = None,
    *,
    overwrite: bool = False,
    jobs: int = 1,
    bar: Bar = silent,
) -> Converted:
    """Write a dataset to a store (a path without suffix), or to a file of the format that the suffix says.

    Parameters
    ----------
    what
        A store, the name of a source, a file, or a folder of files.
    jobs
        Processes that read, where files become a store.

    Raises
    ------
    FileExistsError
        The target exists and ``overwrite`` is False.
    LookupError, ValueError, OSError, ImportError
        As ``load`` and ``export``.
    """
    path = Path(what).expanduser()
    if target.exists() and not overwrite:
        raise FileExistsError(f"{target} exists and is not overwritten; give overwrite=True or another place")
    if is_store(path) or is_source_name(str(what)) or not path.exists():
        store = load(what, reading)
        with bar("writing", len(store)) as tell:
            count = _Counted(batches_of(store, BATCH), tell)
            if target.suffix == "":
                write_store(target, count, store.card, store.splits, overwrite=overwrite)
            else:
                export(count, store.card, target, overwrite)
        return Converted(target, count.structures, count.atoms)
    return _files(path, target, reading or Reading(), overwrite, jobs, bar)


def read_pieces(reading: Reading, labels: LabelMap, pieces: tuple[Piece, ...]) -> Iterator[Structures]:
    """Structures of some pieces with these labels: what one process does."""
    yield from read_files(Frames(pieces, reading), labels)


def _files(path: Path, target: Path, reading: Reading, overwrite: bool, jobs: int, bar: Bar) -> Converted:
    with bar("looking at columns", None) as tell:
        frames = Frames(pieces_of(path), reading, tell)
        labels = labels_of(frames)
    card = card_of_files(path, frames, labels)
    skipped = frames.losses
    if target.suffix == "" and jobs > 1:
        groups = _groups([p for p in frames.pieces if p.path not in frames.skipped], jobs)
        read = partial(read_pieces, reading, labels)
        with bar("writing", len(frames)) as tell:
            store = write_store_parallel(
                target, groups, read, card, workers=jobs, overwrite=overwrite, progress=tell
            )
        return Converted(target, len(store), store.card.n_atoms or 0, skipped)
    with bar("writing", len(frames)) as tell:
        count = _Counted(read_files(frames, labels), tell)
        _to(target, count, card, overwrite)
    return Converted(target, count.structures, count.atoms, skipped)


def _to(target: Path, batches: Iterable[Structures], card: Card, overwrite: bool) -> None:
    if target.suffix == "":
        write_store(target, batches, card, overwrite=overwrite)
    else:
        export(batches, card, target, overwrite)


def _groups(pieces: list[Piece], jobs: int) -> list[tuple[Piece, ...]]:
    """Pieces in their order, a few together, so that every process gets several turns."""
    size = max(1, min(TOGETHER, len(pieces) // (4 * jobs)))
    return [tuple(pieces[a : a + size]) for a in range(0, len(pieces), size)]


class _Counted:
    """Batches on their way; says how many structures passed."""

    def __init__(self, batches: Iterable[Structures], tell: Callable[[int], None]):
        self.batches, self.tell = batches, tell
        self.structures = self.atoms = 0

    def __iter__(self) -> Iterator[Structures]:
        for batch in self.batches:
            yield batch
            self.structures, self.atoms = self.structures + len(batch), self.atoms + batch.n_atoms
            self.tell(len(batch))
