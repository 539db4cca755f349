"""Downloads against a server on this machine that is slow, rude, forgetful or wrong."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from atomscape.data.card import FileRecord
from atomscape.data.download import ChecksumError, DownloadError, fetch

BODY = bytes(range(256)) * 2000
MD5, SHA256 = hashlib.md5(BODY).hexdigest(), hashlib.sha256(BODY).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves ``body``; ``plan`` holds one misbehaviour per request, then it behaves."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body, self.tag, self.ranges, self.length = BODY, '"v1"', True, True
        self.plan: list[str | int] = []
        self.requests: list[dict[str, str]] = []
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/file.bin"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"

    def log_message(self, *_) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        server.requests.append(dict(self.headers))
        do = server.plan.pop(0) if server.plan else ""
        if isinstance(do, int):
            self.send_response(do)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start, wanted = 0, self.headers.get("Range")
        fresh = self.headers.get("If-Range") in (None, server.tag)
        if wanted and server.ranges and fresh:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(server.body):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(server.body)}")
                self.end_headers()
                return
            self.send_response(206)
            shown = start + 7 if do == "wrong range" else start
            self.send_header("Content-Range", f"bytes {shown}-{len(server.body) - 1}/{len(server.body)}")
        else:
            self.send_response(200)
        rest = server.body[start:]
        if server.length:
            self.send_header("Content-Length", str(len(rest)))
        if server.tag:
            self.send_header("ETag", server.tag)
        self.end_headers()
        cut = {"half": len(rest) // 2, "stall": len(rest) // 2, "nothing": 0}.get(str(do), len(rest))
        self.wfile.write(rest[:cut])
        if do == "stall":
            self.wfile.flush()
            server.released.wait(20)


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def download(server, tmp_path):
    """``download(...)`` fetches from the server without pauses, and keeps the pauses it would have made."""
    pauses: list[float] = []

    def get(name: str = "file.bin", retries: int = 3, progress=None, timeout: float = 5.0, **stated) -> Path:
        record = FileRecord(url=server.url, **stated)
        return fetch(
            record, tmp_path / "d" / name, tmp_path / "ledger.json",
            retries=retries, timeout=timeout, pause=pauses.append, progress=progress,
        )  # fmt: skip

    get.pauses = pauses
    get.part = tmp_path / "d" / "file.bin.part"
    get.ledger = tmp_path / "ledger.json"
    return get


def left_in(path: Path) -> list[str]:
    return sorted(p.name for p in path.parent.iterdir())


def test_a_good_download(server, download) -> None:
    seen: list[tuple[int, int | None]] = []
    path = download(size=len(BODY), md5=MD5, sha256=SHA256, progress=lambda *p: seen.append(p))
    assert path.read_bytes() == BODY
    assert left_in(path) == ["file.bin"]
    assert seen[-1] == (len(BODY), len(BODY))
    assert server.requests[0]["User-Agent"].startswith("atomscape/")
    assert json.loads(download.ledger.read_text())[server.url]["sha256"] == SHA256


def test_a_file_that_is_there_is_not_asked_for_again(server, download) -> None:
    download()
    download()
    assert len(server.requests) == 1


def test_a_file_that_was_altered_on_disk_is_noticed(download) -> None:
    download().write_bytes(b"something else")
    with pytest.raises(ChecksumError, match="first download"):
        download()


def test_truncated_answers_are_continued(server, download) -> None:
    server.plan = ["half", "half"]
    path = download()
    assert path.read_bytes() == BODY
    assert [r.get("Range") for r in server.requests] == [None, "bytes=256000-", "bytes=384000-"]
    assert server.requests[1]["If-Range"] == '"v1"'


def test_a_server_that_falls_silent_is_asked_again(server, download) -> None:
    server.plan = ["stall"]
    assert download(timeout=0.3).read_bytes() == BODY
    assert server.requests[1]["Range"] == "bytes=256000-"


def test_resumes_after_the_program_was_killed(server, download) -> None:
    server.plan = ["half", "nothing", "nothing", "nothing"]
    with pytest.raises(DownloadError, match="call again to continue"):
        download()
    assert download.part.stat().st_size == len(BODY) // 2
    assert download().read_bytes() == BODY
    assert server.requests[-1]["Range"] == f"bytes={len(BODY) // 2}-"


def test_a_file_that_changed_meanwhile_is_started_anew(server, download) -> None:
    server.plan = ["half", "nothing", "nothing", "nothing"]
    with pytest.raises(DownloadError):
        download()
    server.body, server.tag = BODY[::-1], '"v2"'
    assert download().read_bytes() == BODY[::-1]


def test_server_without_ranges(server, download) -> None:
    server.ranges = False
    server.plan = ["half"]
    assert download().read_bytes() == BODY


def test_server_that_answers_another_range(server, download) -> None:
    server.plan = ["half", "wrong range"]
    assert download().read_bytes() == BODY


def test_server_without_tags_is_resumed_only_under_a_checksum(server, download) -> None:
    server.tag = ""
    server.plan = ["half"]
    assert download().read_bytes() == BODY
    assert server.requests[1].get("Range") is None
    server.plan = ["half"]
    assert download("second.bin", sha256=SHA256).read_bytes() == BODY
    assert server.requests[3]["Range"] == "bytes=256000-"


def test_complete_part_is_taken_as_it_is(server, download) -> None:
    download.part.parent.mkdir()
    download.part.write_bytes(BODY)
    assert download(sha256=SHA256).read_bytes() == BODY
    assert len(server.requests) == 1


def test_part_longer_than_the_file_is_dropped(download) -> None:
    download.part.parent.mkdir()
    download.part.write_bytes(BODY + b"x")
    assert download(sha256=SHA256).read_bytes() == BODY


def test_no_content_length(server, download) -> None:
    server.length = False
    assert download().read_bytes() == BODY
    server.plan = ["half"]
    assert download("second.bin", size=len(BODY)).read_bytes() == BODY
    server.plan = ["nothing"]
    with pytest.raises(DownloadError, match="the connection ended after 0 bytes"):
        download("third.bin", size=len(BODY), retries=1)


@pytest.mark.parametrize("stated", [{"size": 5}, {"md5": "0" * 32}, {"sha256": "0" * 64}])
def test_wrong_checksum(server, download, stated) -> None:
    with pytest.raises(ChecksumError, match=rf"{next(iter(stated))} is .*, expected .* \(stated at there\)"):
        download(**stated, stated_at="there")
    assert list(download.part.parent.iterdir()) == []
    assert not download.ledger.exists(), "a wrong file is never recorded as the first download"


def test_later_downloads_must_be_the_same(server, download) -> None:
    download()
    server.body = BODY[:-1] + b"!"
    with pytest.raises(ChecksumError, match=r"but the first download .* remove its entry from"):
        download("second.bin")
    assert not (download.part.parent / "second.bin").exists()


def test_server_errors_are_tried_again_with_growing_pauses(server, download) -> None:
    server.plan = [500, 503, 429, 502]
    assert download(retries=5).read_bytes() == BODY
    assert download.pauses == [1.0, 2.0, 4.0, 8.0]


def test_server_errors_that_stay(server, download) -> None:
    server.plan = [500] * 9
    with pytest.raises(DownloadError, match="500 Internal Server Error; gave up after 3 attempts"):
        download()
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [202, 403, 404, 410])
def test_final_answers_are_believed(server, download, status) -> None:
    server.plan = [status]
    with pytest.raises(DownloadError, match=rf"answers {status} .*save the file as .*file.bin"):
        download()
    assert len(server.requests) == 1
    assert not (download.part.parent / "file.bin").exists()


def test_nobody_answers(tmp_path) -> None:
    record = FileRecord(url="http://127.0.0.1:9/none")
    with pytest.raises(DownloadError, match="refused"):
        fetch(record, tmp_path / "x", tmp_path / "ledger.json", retries=2, pause=lambda _: None)


def test_unwritable_place(server, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot write"):
        fetch(FileRecord(url=server.url), tmp_path / "file" / "x", tmp_path / "ledger.json")
