"""Download files: resumable, verified, and never half there.

Bytes go to ``NAME.part``; the final name appears when size and checksums are right. Where the publisher
states size or checksum they are compared. In any case the first successful download of an address is
recorded, and every later one must give the same bytes. Of several processes that want the same file one
downloads it and the others wait.
"""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from http.client import HTTPResponse
from pathlib import Path

from atomscape.data.card import FileRecord
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
from atomscape.data.shards import sha256

CHUNK = 1 << 18

Progress = Callable[[int, int | None], None]


class ChecksumError(OSError):
    """A file is not the one that was stated or first downloaded."""


def fetch(
    record: FileRecord,
    target: Path,
    ledger: Path,
    *,
    progress: Progress | None = None,
    offline: bool = False,
    retries: int = 5,
    timeout: float = 30.0,
    pause: Callable[[float], None] = time.sleep,
) -> Path:
    """Download a file unless it is there, verify it, and return its path.

    Parameters
    ----------
    record
        Address, and size and checksums where the publisher states them.
    target
        Final path.
    ledger
        JSON file in which first downloads are recorded (address → size, sha256, date).
    progress
        Called with the bytes received and the total (None if unknown).
    offline
        Use what is there and ask nobody.
    retries
        Attempts in a row that may bring nothing new, with pauses of 1, 2, 4, … seconds between them, or
        longer ones where the server asks for them.

    Raises
    ------
    Offline
        The file is not there, and the network is not to be used.
    DownloadError
        The server refuses, cannot be reached, or never sends the whole file.
    ChecksumError
        Size or checksum differ from those stated or recorded; a wrong download is removed.
    OSError
        The place cannot be written, or has no room for the file.
    """
    part = target.with_name(target.name + ".part")
    if not target.is_file():
        if is_offline(offline):
            raise Offline(f"{target} is missing and the network is not to be used; it is {record.url}")
        try:
            part.parent.mkdir(parents=True, exist_ok=True)
            part.touch()
        except OSError as error:
            raise OSError(
                error.errno, f"cannot write {target}: {error.strerror}; choose another place"
            ) from error
        with owned(part, lambda: progress(_size(part), record.size) if progress else None):
            if not target.is_file():
                _download(record, target, part, ledger, progress, retries, timeout, pause)
                return target
            _drop(part)
    verify(target, record, ledger)
    return target


def verify(path: Path, record: FileRecord, ledger: Path) -> None:
    """Compare a file with what the publisher states and with its first download; record it if there was none.

    Raises
    ------
    ChecksumError
        They differ.
    """
    found = {"size": path.stat().st_size, "sha256": sha256(path)}
    stated = {"size": record.size, "md5": record.md5, "sha256": record.sha256}
    for what, value in stated.items():
        if value is None:
            continue
        value_found = sha256(path, "md5") if what == "md5" else found[what]
        if value_found != value:
            source = f" (stated at {record.stated_at})" if record.stated_at else ""
            raise ChecksumError(
                f"{path} from {record.url}: {what} is {value_found}, expected {value}{source}"
            )
    first = _first_download(ledger, record.url, found)
    if first["sha256"] != found["sha256"]:
        raise ChecksumError(
            f"{path} from {record.url}: sha256 is {found['sha256']}, but the first download "
            f"({first['date']}) had {first['sha256']}; if the publisher changed the file on purpose, "
            f"remove its entry from {ledger}"
        )


def _first_download(ledger: Path, url: str, found: dict) -> dict:
    """What the ledger says of an address; where it says nothing, ``found`` is entered."""
    ledger.parent.mkdir(parents=True, exist_ok=True)
    with owned(ledger):
        known = json.loads(ledger.read_text() or "{}")
        if url not in known:
            known[url] = {**found, "date": datetime.now(UTC).isoformat(timespec="seconds")}
            temporary = ledger.with_name(f"{ledger.name}.{os.getpid()}.part")
            temporary.write_text(json.dumps(known, indent=1) + "\n")
            os.replace(temporary, ledger)
        return known[url]


def _download(
    record: FileRecord, target: Path, part: Path, ledger: Path, progress, retries: int, timeout: float, pause
) -> None:
    """Receive, verify and publish a file of which this process owns the part."""
    best = part.stat().st_size

    def gained() -> bool:
        nonlocal best
        before, best = best, max(best, _size(part))
        return best > before

    persist(
        record.url,
        lambda: _receive(record, part, progress, timeout),
        gained=gained,
        retries=retries,
        pause=pause,
        on_refusal=f"; if the address works in a browser, save the file as {target}",
    )
    try:
        verify(part, record, ledger)
    except ChecksumError:
        _drop(part)
        raise
    os.replace(part, target)
    _drop(part)


def _receive(record: FileRecord, part: Path, progress: Progress | None, timeout: float) -> None:
    """Append what the server sends; returns when the file is complete as far as the server says."""
    offset = part.stat().st_size
    headers = {"User-Agent": AGENT, "Accept-Encoding": "identity"}
    tag = _tag_path(part).read_text() if _tag_path(part).is_file() else ""
    if offset and (tag or record.md5 or record.sha256):
        headers |= {"Range": f"bytes={offset}-", **({"If-Range": tag} if tag else {})}
    try:
        answer = open_url(urllib.request.Request(record.url, headers=headers), timeout)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise
        error.close()
        if (error.headers.get("Content-Range") or "").endswith(f"/{offset}"):
            return
        part.write_bytes(b"")
        _tag_path(part).unlink(missing_ok=True)
        raise EndedEarly(f"the server has fewer than the {offset} bytes received before") from None
    with answer:
        if answer.status not in (200, 206):
            raise urllib.error.HTTPError(
                record.url, answer.status, str(answer.reason), answer.headers, io.BytesIO()
            )
        if answer.status == 200:
            offset = 0
        elif not (answer.headers.get("Content-Range") or "").startswith(f"bytes {offset}-"):
            part.write_bytes(b"")
            raise EndedEarly("the server sent another part of the file than was asked for")
        _tag_path(part).write_text(_validator(answer))
        _append(answer, part, offset, record.size, progress)


def _append(
    answer: HTTPResponse, part: Path, offset: int, stated: int | None, progress: Progress | None
) -> None:
    length = answer.headers.get("Content-Length")
    total = stated if length is None else offset + int(length)
    try:
        if total is not None and total - offset > shutil.disk_usage(part.parent).free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        with part.open("r+b") as file:
            file.truncate(offset)
            file.seek(offset)
            while chunk := answer.read1(CHUNK):
                file.write(chunk)
                offset += len(chunk)
                if progress:
                    progress(offset, total)
    except OSError as error:
        if error.errno not in FULL:
            raise
        of_all = "" if total is None else f" of {total:,}"
        raise no_room(error, part.with_suffix(""), f"{_size(part):,}{of_all} bytes") from error
    if total not in (None, offset):
        raise EndedEarly(f"the connection ended after {offset} bytes")


def _validator(answer: HTTPResponse) -> str:
    """What names this version of the file in a later ``If-Range``; weak tags must not be used there."""
    tag = answer.headers.get("ETag") or ""
    return tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified") or ""


def _tag_path(part: Path) -> Path:
    return part.with_name(part.name + ".tag")


def _drop(part: Path) -> None:
    part.unlink(missing_ok=True)
    _tag_path(part).unlink(missing_ok=True)


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0
