"""Downloads against a server on this machine that is slow, rude, forgetful or wrong."""

from __future__ import annotations

import errno
import hashlib
import json
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import namedtuple
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from atomscape.data.card import FileRecord
from atomscape.data.download import ChecksumError, fetch
from atomscape.data.online import DownloadError, Offline

BODY = bytes(range(256)) * 2000
MD5, SHA256 = hashlib.md5(BODY).hexdigest(), hashlib.sha256(BODY).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves ``body``; ``plan`` holds one misbehaviour per request, then it behaves."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body, self.tag, self.ranges, self.length = BODY, '"v1"', True, True
        self.plan: list[str | int | tuple[int, dict[str, str]]] = []
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
        if isinstance(do, int | tuple):
            status, headers = do if isinstance(do, tuple) else (do, {})
            self.send_response(status)
            self.send_header("Content-Length", "0")
            for name, value in headers.items():
                self.send_header(name, value)
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

    def get(name: str = "file.bin", retries=3, progress=None, timeout=5.0, offline=False, **stated) -> Path:
        record = FileRecord(url=server.url, **stated)
        return fetch(
            record, tmp_path / "d" / name, tmp_path / "ledger.json", offline=offline,
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


def test_the_pause_that_the_server_asks_for_is_made(server, download) -> None:
    server.plan = [(429, {"Retry-After": "7"}), "half", (503, {"Retry-After": "0"})]
    assert download().read_bytes() == BODY
    assert download.pauses == [7.0, 1.0, 1.0]


def test_a_server_that_asks_for_a_long_pause_is_left_alone(server, download) -> None:
    server.plan = [(429, {"Retry-After": "7200"})]
    with pytest.raises(DownloadError, match="429 Too Many Requests; it asks for a pause of 120 minutes"):
        download()
    assert download.pauses == []


def test_redirects_are_followed_and_resumed(server, download) -> None:
    there = {"Location": "/elsewhere/file.bin"}
    server.plan = [(302, there), "half", (307, there)]
    assert download().read_bytes() == BODY
    assert [r.get("Range") for r in server.requests] == [None, None, "bytes=256000-", "bytes=256000-"]


def test_offline_says_what_is_missing(server, download, monkeypatch) -> None:
    with pytest.raises(Offline, match=rf"file.bin is missing and the network .* it is {server.url}"):
        download(offline=True)
    monkeypatch.setenv("ATOMSCAPE_OFFLINE", "1")
    with pytest.raises(Offline):
        download()
    assert server.requests == []
    monkeypatch.setenv("ATOMSCAPE_OFFLINE", "0")
    download()
    assert download(offline=True).read_bytes() == BODY, "what is here is used"


def test_a_disk_without_room_for_the_whole_file_is_noticed_first(server, download, monkeypatch) -> None:
    usage = namedtuple("usage", "total used free")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage(10**6, 10**6 - 1000, 1000))
        with pytest.raises(OSError, match=r"no room for .*file.bin: .* after 0 of 512,000 bytes; make room"):
            download()
    assert len(server.requests) == 1
    assert download().read_bytes() == BODY


def test_a_disk_that_fills_up_keeps_what_came(server, download) -> None:
    """A limit on the size of files stands for the full disk; the rest follows once there is room."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
    try:
        with pytest.raises(OSError, match=r"no room for .*file.bin.* after 300,000 of 512,000 bytes") as full:
            download()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert full.value.errno == errno.EFBIG
    assert download().read_bytes() == BODY
    assert server.requests[-1]["Range"] == "bytes=300000-"


def test_threads_that_want_the_same_file_download_it_once(server, download) -> None:
    server.plan = ["half"]
    threads = [threading.Thread(target=download) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert left_in(download.part) == ["file.bin"]
    assert (download.part.parent / "file.bin").read_bytes() == BODY
    assert [r.get("Range") for r in server.requests] == [None, "bytes=256000-"]


DOWNLOADER = """
import sys
from pathlib import Path
from atomscape.data.card import FileRecord
from atomscape.data.download import fetch
fetch(FileRecord(url=sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), timeout=30)
"""


def test_a_process_that_is_killed_leaves_the_rest_to_the_one_that_waits(server, tmp_path) -> None:
    server.plan = ["stall"]
    part = tmp_path / "file.bin.part"
    command = [sys.executable, "-c", DOWNLOADER, server.url, tmp_path / "file.bin", tmp_path / "ledger.json"]
    processes = [subprocess.Popen(command) for _ in range(2)]
    wait_until(lambda: part.is_file() and part.stat().st_size == len(BODY) // 2)
    owner = next(p for p in processes if str(part) in open_files(p.pid, writing=True))
    other = processes[1 - processes.index(owner)]
    wait_until(lambda: str(part) in open_files(other.pid))
    assert len(server.requests) == 1, "the second waits"
    owner.send_signal(signal.SIGKILL)
    assert owner.wait() == -signal.SIGKILL
    assert other.wait(timeout=30) == 0
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert server.requests[1]["Range"] == f"bytes={len(BODY) // 2}-"


def open_files(pid: int, writing: bool = False) -> list[str]:
    """Files that a process has open; with ``writing`` those that it has opened twice (lock and content)."""
    paths = [str(p.readlink()) for p in Path(f"/proc/{pid}/fd").iterdir() if p.is_symlink()]
    return [p for p in paths if not writing or paths.count(p) > 1]


def wait_until(true, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_the_ledger_loses_no_entry_to_a_parallel_download(server, tmp_path) -> None:
    def get(k: int) -> None:
        record = FileRecord(url=f"{server.url}?{k}")
        fetch(record, tmp_path / f"{k}.bin", tmp_path / "ledger.json")

    threads = [threading.Thread(target=get, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    known = json.loads((tmp_path / "ledger.json").read_text())
    assert set(known) == {f"{server.url}?{k}" for k in range(8)}
