"""A web server on this machine that answers by a script, and a store of random cells to split."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import torch

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card
from atomscape.data.store import Store, write_store


@dataclass
class Request:
    """What a client asked.

    ``query`` has the first value of each parameter, ``body`` the JSON sent;
    names of ``headers`` are in small letters.
    """

    path: str
    query: dict[str, str]
    body: object
    headers: dict[str, str]
    url: str


@dataclass
class Answer:
    """What it is told: ``content`` (bytes, or made JSON), its first ``cut`` bytes, after ``delay`` s."""

    content: object = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    delay: float = 0.0


class Web(ThreadingHTTPServer):
    """Answers from ``plan`` first, one per request, then by ``respond``; keeps ``requests``."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.plan: list[Answer | None] = []
        self.respond: Callable[[Request], Answer] = lambda _: Answer(status=404)
        self.requests: list[Request] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"

    def log_message(self, *_) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        web = self.server
        assert isinstance(web, Web)
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        query = {k: v[0] for k, v in parse_qs(parts.query).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(parts.path, query, json.loads(sent) if sent else None, headers, self.path)
        web.requests.append(request)
        answer = (web.plan.pop(0) if web.plan else None) or web.respond(request)
        content = answer.content if isinstance(answer.content, bytes) else json.dumps(answer.content).encode()
        time.sleep(answer.delay)
        self.send_response(answer.status)
        for name, value in {"Content-Length": str(len(content)), **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[: answer.cut])

    do_POST = do_GET
    do_CONNECT = do_GET


@pytest.fixture
def make_web():
    """``make_web()`` starts a server; all end with the test."""
    started = []

    def start() -> Web:
        web = Web()
        thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        started.append((web, thread))
        return web

    yield start
    for web, thread in started:
        web.shutdown()
        web.server_close()
        thread.join()


@pytest.fixture
def web(make_web) -> Web:
    """One server."""
    return make_web()


@pytest.fixture
def answer():
    """The type of an answer, for scripts."""
    return Answer


@pytest.fixture(scope="session")
def random_cells(tmp_path_factory) -> Callable[[Callable[[int], str]], Store]:
    """Make a store of 300 random cells, many of them multiples of one formula, with ids by number."""

    def made(name: Callable[[int], str]) -> Store:
        rng = np.random.default_rng(1)
        numbers, counts = [], []
        for _ in range(300):
            z = rng.choice([3, 8, 16, 26], rng.integers(1, 4), replace=False)
            k = rng.integers(1, 3, len(z)) * rng.integers(1, 4)
            numbers.append(np.repeat(z, k))
            counts.append(k.sum())
        n, total = len(counts), int(sum(counts))
        s = Structures(
            torch.from_numpy(rng.normal(size=(total, 3))),
            torch.from_numpy(np.concatenate(numbers)),
            torch.zeros(n, 3, 3, dtype=torch.float64),
            torch.zeros(n, 3, dtype=torch.bool),
            torch.from_numpy(np.repeat(np.arange(n), counts)),
            {},
            tuple(name(k) for k in range(n)),
        )
        return write_store(tmp_path_factory.mktemp("cells") / "s", [s], Card(name="cells"))

    return made
