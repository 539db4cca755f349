"""Download files: resumable, verified, and never half there.

Bytes go to ``NAME.part``; the final name appears when size and checksums are right. Where the publisher
states size or checksum they are compared. In any case the first successful download of an address is
recorded, and every later one must give the same bytes.
"""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from atomscape import __version__
from atomscape.data.card import FileRecord
from atomscape.data.shards import sha256

CHUNK = 1 << 18
AGENT = f"atomscape/{__version__} (python urllib)"
FINAL = (400, 401, 403, 404, 410, 451)
"""Answers after which asking again does not help."""

Progress = Callable[[int, int | None], None]


class DownloadError(OSError):
    """A file could not be downloaded; what was received so far is kept and continued next time."""


class ChecksumError(OSError):
    """A file is not the one that was stated or first downloaded."""


def fetch(
    record: FileRecord,
    target: Path,
    ledger: Path,
    *,
    progress: Progress | None = None,
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
    retries
        Attempts in a row that may bring nothing new, with pauses of 1, 2, 4, … seconds between them.

    Raises
    ------
    DownloadError
        The server refuses, cannot be reached, or never sends the whole file.
    ChecksumError
        Size or checksum differ from those stated or recorded; a wrong download is removed.
    OSError
        The place cannot be written.
    """
    if target.is_file():
        verify(target, record, ledger)
        return target
    part = target.with_name(target.name + ".part")
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
    except OSError as error:
        raise OSError(
            error.errno, f"cannot write {target}: {error.strerror}; choose another place"
        ) from error
    _receive_all(record, target, part, progress, retries, timeout, pause)
    try:
        verify(part, record, ledger)
    except ChecksumError:
        _drop(part)
        raise
    os.replace(part, target)
    _drop(part)
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
    known = json.loads(ledger.read_text()) if ledger.is_file() else {}
    first = known.get(record.url)
    if first is None:
        known[record.url] = {**found, "date": datetime.now(UTC).isoformat(timespec="seconds")}
        _write(ledger, known)
    elif first["sha256"] != found["sha256"]:
        raise ChecksumError(
            f"{path} from {record.url}: sha256 is {found['sha256']}, but the first download "
            f"({first['date']}) had {first['sha256']}; if the publisher changed the file on purpose, "
            f"remove its entry from {ledger}"
        )


def _receive_all(
    record: FileRecord, target: Path, part: Path, progress, retries: int, timeout: float, pause
) -> None:
    """Ask until the part is complete; attempts that bring nothing new are counted."""
    best, failures = part.stat().st_size, 0
    while True:
        try:
            if _receive(record, part, progress, timeout):
                return
            problem = f"the connection ended after {part.stat().st_size} bytes"
        except urllib.error.HTTPError as error:
            error.close()
            problem = f"the server answers {error.code} {error.reason}"
            if error.code in FINAL or error.code < 300:
                raise DownloadError(
                    f"{record.url}: {problem}; if the address works in a browser, save the file as {target}"
                ) from error
        except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
            problem = f"{type(error).__name__}: {getattr(error, 'reason', error)}"
        size = part.stat().st_size
        failures, best = (0, size) if size > best else (failures + 1, best)
        if failures >= retries:
            raise DownloadError(
                f"{record.url}: {problem}; gave up after {retries} attempts, call again to continue"
            )
        pause(2.0 ** max(failures - 1, 0))


def _receive(record: FileRecord, part: Path, progress: Progress | None, timeout: float) -> bool:
    """Append what the server sends; True when the file is complete as far as the server says."""
    offset = part.stat().st_size
    headers = {"User-Agent": AGENT, "Accept-Encoding": "identity"}
    tag = _tag_path(part).read_text() if _tag_path(part).is_file() else ""
    if offset and (tag or record.md5 or record.sha256):
        headers |= {"Range": f"bytes={offset}-", **({"If-Range": tag} if tag else {})}
    try:
        answer = urllib.request.urlopen(urllib.request.Request(record.url, headers=headers), timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise
        error.close()
        complete = (error.headers.get("Content-Range") or "").endswith(f"/{offset}")
        if not complete:
            _drop(part)
            part.touch()
        return complete
    with answer:
        if answer.status not in (200, 206):
            raise urllib.error.HTTPError(record.url, answer.status, str(answer.reason), answer.headers, None)
        if answer.status == 200:
            offset = 0
        elif not (answer.headers.get("Content-Range") or "").startswith(f"bytes {offset}-"):
            part.write_bytes(b"")
            return False
        _tag_path(part).write_text(_validator(answer))
        return _append(answer, part, offset, record.size, progress)


def _append(
    answer: HTTPResponse, part: Path, offset: int, stated: int | None, progress: Progress | None
) -> bool:
    length = answer.headers.get("Content-Length")
    total = stated if length is None else offset + int(length)
    with part.open("r+b") as file:
        file.truncate(offset)
        file.seek(offset)
        while chunk := answer.read1(CHUNK):
            file.write(chunk)
            offset += len(chunk)
            if progress:
                progress(offset, total)
    return total in (None, offset)


def _validator(answer: HTTPResponse) -> str:
    """What names this version of the file in a later ``If-Range``; weak tags must not be used there."""
    tag = answer.headers.get("ETag") or ""
    return tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified") or ""


def _tag_path(part: Path) -> Path:
    return part.with_name(part.name + ".tag")


def _drop(part: Path) -> None:
    part.unlink(missing_ok=True)
    _tag_path(part).unlink(missing_ok=True)


def _write(ledger: Path, content: dict) -> None:
    ledger.parent.mkdir(parents=True, exist_ok=True)
    temporary = ledger.with_name(f"{ledger.name}.{os.getpid()}.part")
    temporary.write_text(json.dumps(content, indent=1) + "\n")
    os.replace(temporary, ledger)
