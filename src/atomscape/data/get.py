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
    MofNCompleteColumn,
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
from atomscape.data.online import OFFLINE, Offline
from atomscape.data.pages import PAGES, Asking, Query
from atomscape.data.source import Source, downloader
from atomscape.data.store import Store

SHOWN = 5
"""Files that a message names one by one."""


@dataclass(frozen=True)
class Entry:
    """A named dataset and where it is: ``embedded``, ``here``, ``to download``, ``to ask`` a service for.

    Those without an address are ``to bring``: their files are read where they are put. ``generated`` ones are
    made when they are first used.
    """

    name: str
    card: Card
    state: str
    folder: Path | None

    @property
    def download_size(self) -> int | None:
        """Bytes to download, None where the publisher does not state them."""
        sizes = [f.size for f in self.card.files.values()]
        return None if None in sizes else sum(s for s in sizes if s is not None)

    @property
    def at_hand(self) -> bool:
        """Whether it can be used without asking anybody."""
        return not self.state.startswith("to ")

    @property
    def how_to_get(self) -> str:
        """What to do to have it, in one line."""
        size = f" ({self.download_size / 1e6:,.0f} MB)" if self.download_size else ""
        folders = self.card.folders or (self.name.partition(":")[0],)
        return {
            "embedded": "it is in the package",
            "generated": "it is made on first use",
            "here": f"it is in {self.folder}",
            "to download": f"atomscape data get {self.name}{size}",
            "to ask": f"atomscape data get {self.name} --limit 1000",
            "to bring": f"put its file into $ATOMSCAPE_DATA/{folders[-1]}",
        }[self.state]


def catalogue() -> list[Entry]:
    """Return all named datasets, sorted by name; nothing is downloaded or converted."""
    entries = []
    for name in source_names():
        source = find_source(name)
        folder = find_folder(source)
        entries.append(Entry(name, source.card, _state(source, folder), folder))
    return entries


def _state(source: Source, folder: Path | None) -> str:
    if source.card.embedded or source.card.generated:
        return "embedded" if source.card.embedded else "generated"
    if folder is not None:
        return "here"
    if source.card.files:
        return "to download"
    return "to ask" if downloader(source) else "to bring"


def get(
    name: str,
    console: Console | None = None,
    *,
    limit: int | None = None,
    filter: str = "",
    offline: bool = False,
) -> Store:
    """Download what a named dataset needs, verify it, convert it, and open it.

    Files that are on this machine already (embedded, under ``$ATOMSCAPE_DATA``, or downloaded before) are
    used; generated sets are made. Progress is shown on ``console``; None shows nothing.

    Parameters
    ----------
    limit, filter
        For datasets that a service gives out: how many entries, and which, in the language of the service.
        The service is then asked even where other files of the dataset are here.
    offline
        Use what is here and ask nobody.

    Raises
    ------
    LookupError
        No dataset has that name.
    ValueError
        A limit or a filter is given for a dataset of files.
    Offline
        Something is missing and the network is not to be used; the message says what, and where it goes.
    DownloadError, ChecksumError
        A file could not be downloaded, or is not the one it should be.
    """
    source, query = find_source(name), Query(limit, filter)
    download, asked = downloader(source), query != Query()
    if asked and download is None:
        raise ValueError(f"{name} is a dataset of files, downloaded as a whole; it takes no limit or filter")
    if limit is not None and limit < 1:
        raise ValueError(f"a limit of {limit} entries asks for nothing; give 1 or more")
    best, here = folders_of(source)[0], find_folder(source)
    folder = here if asked and here is not None and here.match(best) else download_folder(best)
    try:
        if asked or (here is None and not source.card.files):
            _ask(source, folder, query, console, offline)
        elif here in (None, folder):
            _fetch(source, folder, console, offline)
    except Offline as error:
        raise Offline(_to_do_by_hand(source, folder, query)) from error
    return load_source(name)


def _fetch(source: Source, folder: Path, console: Console | None, offline: bool) -> None:
    """Download the files of a card that a folder lacks, unless it holds another layout, put there by hand."""
    missing = {file: r for file, r in source.card.files.items() if not (folder / file).is_file()}
    if len(missing) == len(source.card.files) and source.inputs(folder):
        return
    ledger = cache_folder() / "checksums.json"
    for file, record in missing.items():
        with _bar(f"{source.card.name}/{file}", console) as progress:
            fetch(record, folder / file, ledger, progress=progress, offline=offline)


def _ask(source: Source, folder: Path, query: Query, console: Console | None, offline: bool) -> None:
    """Ask the service of a source; one that has none is only read where its files lie."""
    download = downloader(source)
    if download is None:
        places = " or ".join(f"$ATOMSCAPE_DATA/{name}" for name in folders_of(source))
        raise FileNotFoundError(
            f"{source.card.name} is read where its files are, and has no address to download them from; put "
            f"them into {places} ({source.card.verified})"
        )
    with _bar(source.card.name, console, entries=True) as progress:
        download(folder, query, Asking(progress=progress, offline=offline))


def _to_do_by_hand(source: Source, folder: Path, query: Query) -> str:
    """What a user without network must bring, and where to."""
    name, places = source.card.name, f"{folder} or $ATOMSCAPE_DATA/{folders_of(source)[0]}"
    head = f"{name} is not on this machine and the network is not to be used (--offline or {OFFLINE}). "
    if query != Query() or not source.card.files:
        options = f" --limit {query.limit}" if query.limit else ""
        options += f" --filter '{query.filter}'" if query.filter else ""
        return (
            f"{head}On a machine with network run: atomscape data get {name}{options}; then copy its folder "
            f"{PAGES} to {places}."
        )
    missing = [
        f"{file} from {r.url}" + (f" ({r.size / 1e6:,.1f} MB)" if r.size else "")
        for file, r in source.card.files.items()
        if not (folder / file).is_file()
    ]
    more = f" and {len(missing) - SHOWN} more files" if len(missing) > SHOWN else ""
    return f"{head}Bring {', '.join(missing[:SHOWN])}{more}, and put them into {places}."


@contextmanager
def _bar(label: str, console: Console | None, entries: bool = False) -> Iterator[Callback | None]:
    """Give what draws progress in bytes, or in entries of a service; None without a console."""
    if console is None:
        yield None
        return
    amount = (MofNCompleteColumn(),) if entries else (DownloadColumn(), TransferSpeedColumn())
    columns = (TextColumn("{task.description}"), BarColumn(), *amount, TimeRemainingColumn())
    with Progress(*columns, console=console) as bars:
        task = bars.add_task(label, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
