"""Raw answers of a service, page by page, kept on disk as they came.

A download asks page after page and keeps each answer with its question (``pages/000000.json.gz``, …);
readers make structures of them later. So a killed download goes on where it stopped, and a conversion can be
done anew without the network. ``pages/query.json`` says what was asked, and how much of it is complete.
"""

from __future__ import annotations

import gzip
import json
import os
import time
import urllib.request
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from atomscape.data.lock import owned
from atomscape.data.online import (
    AGENT,
    FULL,
    EndedEarly,
    Offline,
    is_offline,
    no_room,
    open_url,
    persist,
)

PAGES, QUERY = "pages", "query.json"
UNREADABLE = (ValueError, EOFError, zlib.error)
"""Faults of packed JSON."""

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Query:
    """What a user wants of a service: at most ``limit`` entries that match ``filter``, in its language."""

    limit: int | None = None
    filter: str = ""


@dataclass(frozen=True)
class Asking:
    """How to ask: who hears of progress (entries so far, entries wanted), and how patient to be."""

    progress: Progress | None = None
    offline: bool = False
    retries: int = 5
    timeout: float = 120.0
    pause: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Ask:
    """One question: an address, and JSON to send along (POST) or none (GET)."""

    url: str
    body: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Service:
    """How a service is read.

    ``first`` makes the first question for a filter; ``following`` the next one from a question and its
    answer, None at the end; ``entries`` and ``total`` look into an answer. ``headers`` (keys) are sent but
    never kept. ``gap`` is the politeness: seconds between questions. A service that is not to be read as a
    ``whole`` wants a limit or a filter.
    """

    first: Callable[[str], Ask]
    following: Callable[[Ask, Any], Ask | None]
    entries: Callable[[Any], list]
    total: Callable[[Any], int | None] = lambda answer: None
    headers: Callable[[], Mapping[str, str]] = field(default=dict)
    gap: float = 0.5
    whole: bool = True


def collect(folder: Path, service: Service, query: Query, asking: Asking) -> None:
    """Ask for the entries of a query unless they are there, and keep the answers below ``folder``.

    A larger limit goes on from the last page kept.

    Raises
    ------
    ValueError
        The folder holds answers to another question; or everything is asked of a service too large for that.
    Offline
        Answers are missing, and the network is not to be used.
    DownloadError
        The service refuses, cannot be reached, or answers nonsense; what came is kept.
    """
    pages, first = folder / PAGES, service.first(query.filter)
    if query == Query() and not service.whole:
        raise ValueError(
            f"{first.url.partition('?')[0]} has millions of entries; say how many you want (--limit 10000), "
            "or which (--filter)"
        )
    state = _state(pages, first)
    if _enough(state, query):
        if state["complete"] != _cut(state["complete"], query):
            _note(pages, first, _cut(state["complete"], query))
        return
    if is_offline(asking.offline):
        raise Offline(f"{pages} lacks answers of {first.url} and the network is not to be used")
    pages.mkdir(parents=True, exist_ok=True)
    with owned(pages / ".lock"):
        state = _state(pages, first)  # another process may have asked meanwhile
        done = state["complete"] if _enough(state, query) else _ask_on(pages, service, first, query, asking)
        _note(pages, first, _cut(done, query))


def page_files(folder: Path) -> list[Path]:
    """What a reader of these answers reads; empty unless a query is complete."""
    path = folder / PAGES / QUERY
    if not path.is_file() or not (done := json.loads(path.read_text())["complete"]):
        return []
    kept = [_page(folder / PAGES, k) for k in range(done["pages"])]
    return [path, *kept] if all(page.is_file() for page in kept) else []


def entries_of(folder: Path, entries: Callable[[Any], list]) -> Iterator[Any]:
    """Entries of a complete query, page after page, as many as were asked for."""
    query, *paths = page_files(folder)
    left = json.loads(query.read_text())["complete"]["entries"]
    for path in paths:
        kept = entries(_read(path)["answer"])
        yield from kept[:left]
        left -= min(left, len(kept))


def _ask_on(pages: Path, service: Service, first: Ask, query: Query, asking: Asking) -> dict[str, Any]:
    """Ask from the last page kept until there are enough entries; what is complete then."""
    n, count, ask, total = _kept(pages, service, first)
    headers = service.headers()
    while ask is not None and (query.limit is None or count < query.limit):
        answer = _answer(ask, headers, service, asking)
        found = len(service.entries(answer))
        try:
            _keep(_page(pages, n), ask, count, answer)
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise no_room(error, pages, f"{count:,} entries") from error
        n, count, total = n + 1, count + found, service.total(answer)
        if asking.progress:
            wanted = min((x for x in (query.limit, total) if x is not None), default=None)
            asking.progress(count if query.limit is None else min(count, query.limit), wanted)
        following = service.following(ask, answer) if found else None
        ask = None if following == ask else following
        if ask is not None and (query.limit is None or count < query.limit):
            asking.pause(service.gap)
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    return {"pages": n, "asked": count, "exhausted": ask is None, "total": total, "finished": finished}


def _answer(ask: Ask, headers: Mapping[str, str], service: Service, asking: Asking) -> Any:
    """The answer to one question, once it is whole and has the expected form."""

    def attempt() -> Any:
        sent = None if ask.body is None else json.dumps(ask.body).encode()
        how = {"User-Agent": AGENT, "Accept": "application/json", "Accept-Encoding": "gzip", **headers}
        if sent is not None:
            how["Content-Type"] = "application/json"
        with open_url(urllib.request.Request(ask.url, sent, how), asking.timeout) as got:
            content = got.read()
            packed = got.headers.get("Content-Encoding") == "gzip"
        try:
            answer = json.loads(gzip.decompress(content) if packed else content)
            service.entries(answer)
        except (*UNREADABLE, OSError, LookupError, TypeError, AttributeError) as error:
            raise EndedEarly(f"not the answer of this service ({error}): {content[:80]!r}") from error
        return answer

    return persist(ask.url, attempt, retries=asking.retries, pause=asking.pause)


def _kept(pages: Path, service: Service, first: Ask) -> tuple[int, int, Ask | None, int | None]:
    """Pages and entries on disk, the next question, and how many entries the service says there are."""
    n = 0
    while _page(pages, n).is_file():
        n += 1
    if n == 0:
        return 0, 0, first, None
    last = _read(_page(pages, n - 1))
    ask, answer = Ask(**last["ask"]), last["answer"]
    found = len(service.entries(answer))
    following = service.following(ask, answer) if found else None
    return n, last["before"] + found, None if following == ask else following, service.total(answer)


def _state(pages: Path, first: Ask) -> dict[str, Any]:
    """What ``query.json`` says, after a look that it belongs to this question."""
    path = pages / QUERY
    if path.is_file():
        state = json.loads(path.read_text())
        known = {"url": state["url"], "body": state["body"]}
        state["complete"] = state["complete"] if page_files(pages.parent) else None
    elif _page(pages, 0).is_file():
        state, known = {"complete": None}, _read(_page(pages, 0))["ask"]
    else:
        return {"complete": None}
    if known != asdict(first):
        raise ValueError(
            f"{pages} holds answers to another question ({_shown(known)}, now {_shown(asdict(first))}); "
            "move or remove that folder to ask anew"
        )
    return state


def _cut(done: Mapping[str, Any], query: Query) -> dict[str, Any]:
    """What is complete, with the number of entries that a query wants of it."""
    wanted = done["asked"] if query.limit is None else min(query.limit, done["asked"])
    return {**done, "entries": wanted}


def _note(pages: Path, first: Ask, done: Mapping[str, Any]) -> None:
    _write(pages / QUERY, json.dumps(asdict(first) | {"complete": done}, indent=1).encode())


def _enough(state: Mapping[str, Any], query: Query) -> bool:
    done = state["complete"]
    return bool(done) and (done["exhausted"] or (query.limit is not None and done["asked"] >= query.limit))


def _shown(ask: Mapping[str, Any]) -> str:
    return ask["url"] + (f" with {json.dumps(ask['body'])}" if ask["body"] else "")


def _page(pages: Path, k: int) -> Path:
    return pages / f"{k:06d}.json.gz"


def _keep(path: Path, ask: Ask, before: int, answer: Any) -> None:
    content = json.dumps({"ask": asdict(ask), "before": before, "answer": answer}, separators=(",", ":"))
    _write(path, gzip.compress(content.encode(), mtime=0))


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(gzip.decompress(path.read_bytes()))
    except (*UNREADABLE, gzip.BadGzipFile) as error:
        raise ValueError(f"{path} is damaged ({error}); remove it and get the dataset again") from error


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
