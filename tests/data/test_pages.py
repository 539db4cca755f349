"""Answers of a service: kept page by page, asked for once, and gone on with after a fault or a kill."""

from __future__ import annotations

import gzip
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from urllib.parse import urlencode

import pytest

from atomscape.data.online import DownloadError, Offline
from atomscape.data.pages import PAGES, Ask, Asking, Query, Service, collect, entries_of, page_files

N, PAGE = 10, 3


def service(base: str, **how) -> Service:
    """Numbers below ten, three a page; a filter is a word they are preceded by."""

    def first(filter: str) -> Ask:
        return Ask(f"{base}/numbers?{urlencode({'word': filter, 'from': 0})}")

    def following(ask: Ask, answer) -> Ask | None:
        return Ask(f"{base}{answer['next']}") if answer["next"] else None

    return Service(first, following, lambda a: a["data"], lambda a: a["total"], **how)


@pytest.fixture
def numbers(web, answer):
    """A server of numbers."""

    def respond(request):
        start, word = int(request.query["from"]), request.query.get("word", "")
        end = min(start + PAGE, N)
        more = f"/numbers?word={word}&from={end}" if end < N else None
        return answer({"data": [f"{word}{k}" for k in range(start, end)], "next": more, "total": N})

    web.respond = respond
    return web


@pytest.fixture
def get(numbers, tmp_path):
    """``get(limit=…)`` collects and returns the entries; pauses are kept, not made."""
    pauses: list[float] = []
    seen: list[tuple[int, int | None]] = []

    def collected(limit=None, filter="", how: dict | None = None, **asking) -> list[str]:
        asking = {"pause": pauses.append, "progress": lambda *p: seen.append(p), **asking}
        collect(tmp_path, service(numbers.url, **(how or {})), Query(limit, filter), Asking(**asking))
        return list(entries_of(tmp_path, lambda a: a["data"]))

    collected.pauses, collected.seen = pauses, seen
    return collected


def test_all_pages(get, numbers, tmp_path) -> None:
    assert get() == [str(k) for k in range(10)]
    assert get.pauses == [0.5, 0.5, 0.5], "polite between questions, not after the last"
    assert get.seen == [(3, 10), (6, 10), (9, 10), (10, 10)]
    assert [p.name for p in page_files(tmp_path)] == ["query.json", *(f"{k:06d}.json.gz" for k in range(4))]
    first = json.loads(gzip.decompress((tmp_path / PAGES / "000000.json.gz").read_bytes()))
    assert first["answer"]["data"] == ["0", "1", "2"], "as it came"
    assert first["ask"]["url"].endswith("/numbers?word=&from=0")
    assert get() == [str(k) for k in range(10)]
    assert get(limit=4) == ["0", "1", "2", "3"]
    assert get(limit=40) == get()
    assert len(numbers.requests) == 4, "nothing is asked twice"


def test_a_larger_limit_goes_on(get, numbers, tmp_path) -> None:
    assert get(limit=4) == ["0", "1", "2", "3"]
    assert len(numbers.requests) == 2
    assert get(limit=5) == ["0", "1", "2", "3", "4"], "page two has it already"
    assert len(numbers.requests) == 2
    assert get(limit=8) == [str(k) for k in range(8)]
    assert [r.query["from"] for r in numbers.requests] == ["0", "3", "6"]
    assert get.seen[-1] == (8, 8)


def test_another_question_is_not_mixed_in(get, numbers) -> None:
    get(limit=2, filter="x")
    with pytest.raises(
        ValueError, match=r"answers to another question.*word=x.*now .*word=y.*remove that folder"
    ):
        get(limit=2, filter="y")
    assert get(limit=2, filter="x") == ["x0", "x1"]


def test_faults_of_the_way(get, numbers, answer) -> None:
    whole = answer({"data": ["0", "1", "2"], "next": "/numbers?from=3", "total": N})
    numbers.plan = [
        answer(status=500),
        answer(whole.content, cut=20),
        answer(b"<html>please log in</html>"),
        answer({"message": "maintenance"}),
        whole,
        answer(status=429, headers={"Retry-After": "9"}),
    ]
    assert get(limit=6) == [str(k) for k in range(6)]
    assert get.pauses == [1.0, 2.0, 4.0, 8.0, 0.5, 9.0]


def test_a_slow_answer_is_asked_again(get, numbers, answer) -> None:
    numbers.plan = [answer({}, delay=1.0)]
    assert get(limit=3, timeout=0.2) == ["0", "1", "2"]


def test_packed_answers(get, numbers, answer) -> None:
    content = gzip.compress(json.dumps({"data": ["a"], "next": None, "total": 1}).encode())
    packed = {"Content-Encoding": "gzip"}
    damaged = content[:15] + b"\xff\xff\xff\xff" + content[19:]
    numbers.plan = [answer(c, headers=packed) for c in (content[:-9], damaged, content)]
    assert get() == ["a"]
    assert numbers.requests[0].headers["accept-encoding"] == "gzip"


def test_what_came_before_a_refusal_is_kept(get, numbers, answer, tmp_path) -> None:
    numbers.plan = [None, answer({"detail": "enough for today"}, status=403)]
    with pytest.raises(DownloadError, match=r"403 Forbidden \(enough for today\)"):
        get()
    assert page_files(tmp_path) == [], "half a query is no dataset"
    assert get() == [str(k) for k in range(10)]
    assert [r.query["from"] for r in numbers.requests] == ["0", "3", "3", "6", "9"]


def test_going_on_leaves_the_smaller_query_readable(get, numbers, answer, tmp_path) -> None:
    get(limit=3)
    numbers.plan = [None, answer(status=404)]
    with pytest.raises(DownloadError):
        get(limit=9)
    assert list(entries_of(tmp_path, lambda a: a["data"])) == ["0", "1", "2"]


def test_a_service_that_turns_in_circles_is_left(get, numbers, answer) -> None:
    numbers.plan = [answer({"data": ["0"], "next": "/numbers?word=&from=0", "total": 9})]
    assert get() == ["0"]
    assert len(numbers.requests) == 1


def test_an_empty_page_is_the_end(get, numbers, answer) -> None:
    numbers.plan = [answer({"data": [], "next": "/numbers?from=3", "total": 0})]
    assert get() == []


def test_offline(get, numbers, monkeypatch) -> None:
    with pytest.raises(Offline, match="lacks answers"):
        get(limit=2, offline=True)
    get(limit=4)
    monkeypatch.setenv("ATOMSCAPE_OFFLINE", "1")
    assert get(limit=3) == ["0", "1", "2"]
    with pytest.raises(Offline):
        get(limit=9)
    assert len(numbers.requests) == 2


def test_too_large_to_be_asked_for_whole(get, numbers) -> None:
    with pytest.raises(ValueError, match=r"has millions of entries; say how many you want \(--limit 10000\)"):
        get(how={"whole": False})
    assert get(limit=1, how={"whole": False}) == ["0"]


def test_a_damaged_page_is_told_and_asked_for_again(get, numbers, tmp_path) -> None:
    get()
    page = tmp_path / PAGES / "000001.json.gz"
    page.write_bytes(page.read_bytes()[:-9] + b"nine byte")
    with pytest.raises(ValueError, match=r"000001\.json\.gz is damaged .* remove it"):
        list(entries_of(tmp_path, lambda a: a["data"]))
    page.unlink()
    assert page_files(tmp_path) == []
    assert get() == [str(k) for k in range(10)]
    assert [r.query["from"] for r in numbers.requests[4:]] == ["3", "6", "9"]


def test_a_disk_that_fills_up_keeps_the_pages_before(get, numbers, tmp_path) -> None:
    """A limit on the size of files stands for the full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    assert get(limit=3) == ["0", "1", "2"]
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, before[1]))
    try:
        with pytest.raises(OSError, match=r"no room for .*pages: .* after 3 entries; make room"):
            get(limit=6)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert get(limit=6) == [str(k) for k in range(6)]


def test_two_that_want_the_same_answers_ask_once(get, numbers) -> None:
    found: list[list[str]] = []
    threads = [threading.Thread(target=lambda: found.append(get(limit=7))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[str(k) for k in range(7)]] * 3
    assert [r.query["from"] for r in numbers.requests] == ["0", "3", "6"]


def test_keys_are_sent_and_not_kept(get, numbers, tmp_path) -> None:
    get(limit=1, how={"headers": lambda: {"X-API-KEY": "secret"}})
    assert numbers.requests[0].headers["x-api-key"] == "secret"
    for path in (tmp_path / PAGES).iterdir():
        content = path.read_bytes()
        assert b"secret" not in (gzip.decompress(content) if path.suffix == ".gz" else content)


def test_questions_with_a_body(web, answer, tmp_path) -> None:
    web.respond = lambda request: answer({"data": [request.body]})
    asking = Asking(pause=lambda _: None)
    posted = Service(lambda f: Ask(web.url, {"filter": f}), lambda *_: None, lambda a: a["data"])
    collect(tmp_path, posted, Query(filter="x"), asking)
    assert list(entries_of(tmp_path, lambda a: a["data"])) == [{"filter": "x"}]
    assert web.requests[0].headers["content-type"] == "application/json"
    with pytest.raises(ValueError, match=r'another question.*"filter": "x".*now .*"filter": "y"'):
        collect(tmp_path, posted, Query(filter="y"), asking)


KILLED = """
import sys
from pathlib import Path
from atomscape.data.pages import Ask, Asking, Query, Service, collect
base = sys.argv[1]
first = lambda f: Ask(f"{base}/numbers?word=&from=0")
following = lambda ask, answer: Ask(f"{base}{answer['next']}") if answer["next"] else None
collect(Path(sys.argv[2]), Service(first, following, lambda a: a["data"], gap=0.0), Query(), Asking())
"""


def test_goes_on_after_a_kill(get, numbers, answer, tmp_path) -> None:
    numbers.plan = [None, None, answer({}, delay=60.0)]
    process = subprocess.Popen([sys.executable, "-c", KILLED, numbers.url, tmp_path])
    end = time.monotonic() + 60
    while len(numbers.requests) < 3:
        assert time.monotonic() < end
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert get() == [str(k) for k in range(10)]
    assert [r.query["from"] for r in numbers.requests] == ["0", "3", "6", "6", "9"]
