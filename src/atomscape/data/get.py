"""Datasets by name: which there are, what they are, and how to get them onto this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from atomscape.data.card import Card
from atomscape.data.download import Progress as Callback
from atomscape.data.download import fetch
from atomscape.data.load import cache_folder, download_folder, find_folder, folders_of, load_source
from atomscape.data.named import find_source, source_names
from atomscape.data.store import Store


@dataclass(frozen=True)
class Entry:
    """A named dataset and where it is: ``embedded``, ``here``, or ``to download``."""

    name: str
    card: Card
    state: str
    folder: Path | None

    @property
    def download_size(self) -> int | None:
        """Bytes to download, None where the publisher does not state them."""
        sizes = [f.size for f in self.card.files.values()]
        return None if None in sizes else sum(s for s in sizes if s is not None)


def catalogue() -> list[Entry]:
    """Return all named datasets, sorted by name; nothing is downloaded or converted."""
    entries = []
    for name in source_names():
        source = find_source(name)
        folder = find_folder(source)
        state = "embedded" if source.card.embedded else "here" if folder else "to download"
        entries.append(Entry(name, source.card, state, folder))
    return entries


def get(name: str, console: Console | None = None) -> Store:
    """Download what a named dataset needs, verify it, convert it, and open it.

    Files that are on this machine already (embedded, under ``$ATOMSCAPE_DATA``, or downloaded before) are
    used. Progress is shown on ``console``; None shows nothing.

    Raises
    ------
    LookupError
        No dataset has that name.
    DownloadError, ChecksumError
        A file could not be downloaded, or is not the one it should be.
    """
    source = find_source(name)
    if find_folder(source) is None:
        folder, ledger = download_folder(folders_of(source)[0]), cache_folder() / "checksums.json"
        for file, record in source.card.files.items():
            with _bar(f"{name}/{file}", console) as progress:
                fetch(record, folder / file, ledger, progress=progress)
    return load_source(name)


@contextmanager
def _bar(label: str, console: Console | None) -> Iterator[Callback | None]:
    if console is None:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as bars:
        task = bars.add_task(label, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
