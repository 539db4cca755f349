"""The way to a server: proxies, redirects, pauses, refusals, and staying offline."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import format_datetime

import pytest

from atomscape.data.online import DownloadError, EndedEarly, is_offline, open_url, persist, retry_after


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def ask(url: str, **headers: str) -> bytes:
    with open_url(urllib.request.Request(url, headers=headers), 5.0) as answer:
        return answer.read()


def test_a_proxy_is_asked_instead_of_the_server(web, answer, monkeypatch) -> None:
    web.respond = lambda request: answer(f"through the proxy: {request.url}".encode())
    monkeypatch.setenv("http_proxy", web.url)
    assert ask("http://far.invalid/data?x=1") == b"through the proxy: http://far.invalid/data?x=1"
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert ask(f"{web.url}/near") == b"through the proxy: /near", "asked directly"


def test_a_secure_address_goes_through_a_tunnel_of_the_proxy(web, answer, monkeypatch) -> None:
    web.respond = lambda _: answer(status=407)
    monkeypatch.setenv("https_proxy", web.url)
    with pytest.raises(OSError, match="Tunnel connection failed: 407"):
        ask("https://far.invalid/data")
    assert web.requests[0].url == "far.invalid:443"


def test_keys_stay_with_the_server_they_are_meant_for(make_web, answer) -> None:
    first, second = make_web(), make_web()
    first.plan = [answer(status=302, headers={"Location": "/here"})]
    first.respond = lambda _: answer(status=302, headers={"Location": f"{second.url}/there"})
    second.respond = lambda _: answer(b"data")
    assert ask(f"{first.url}/start", **{"X-API-KEY": "secret", "Accept": "all"}) == b"data"
    assert [r.headers.get("x-api-key") for r in first.requests] == ["secret", "secret"]
    assert second.requests[0].headers.get("x-api-key") is None
    assert second.requests[0].headers["accept"] == "all"


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/x", "data:text/plain,x"])
def test_only_the_web_is_asked(url) -> None:
    with pytest.raises(ValueError, match="not an address of the web"):
        ask(url)


def header(value: str) -> Message:
    message = Message()
    message["Retry-After"] = value
    return message


def test_retry_after() -> None:
    assert retry_after(header("120")) == 120.0
    soon = datetime.now(UTC) + timedelta(seconds=90)
    assert 80 < retry_after(header(format_datetime(soon, usegmt=True))) <= 90
    past = datetime(2001, 1, 1, tzinfo=UTC)
    assert [retry_after(header(v)) for v in (format_datetime(past), "-3", "soon", "")] == [0.0] * 4
    assert retry_after(Message()) == retry_after(None) == 0.0


def persisted(attempts: list, **kwargs):
    """Result of attempts that raise or return these, and the pauses made."""
    pauses: list[float] = []

    def attempt():
        result = attempts.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    return persist("http://here", attempt, pause=pauses.append, **kwargs), pauses


def test_faults_that_pass_are_sat_out() -> None:
    faults = [EndedEarly("cut"), TimeoutError("slow"), urllib.error.URLError("no way"), ssl.SSLError("eof")]
    assert persisted([*faults, 42]) == (42, [1.0, 2.0, 4.0, 8.0])


def test_attempts_that_bring_something_do_not_count() -> None:
    gains = iter([True] * 9)
    assert persisted([EndedEarly("cut")] * 9 + [42], retries=2, gained=lambda: next(gains))[1] == [1.0] * 9


def test_faults_of_the_program_are_not_sat_out() -> None:
    with pytest.raises(ZeroDivisionError):
        persisted([ZeroDivisionError(), 42])


def test_a_wrong_certificate_is_final() -> None:
    wrong = urllib.error.URLError(ssl.SSLCertVerificationError(1, "self-signed certificate"))
    with pytest.raises(DownloadError, match=r"self-signed certificate.*SSL_CERT_FILE"):
        persisted([wrong, 42])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"detail": "no such field: gapp"}, r"422 Unprocessable Entity \(no such field: gapp\)"),
        (
            {"errors": [{"title": "Bad", "detail": "the filter ends early"}]},
            "filter ends early",
        ),
        ({"error": "your address is blocked"}, "blocked"),
        (["odd"], "odd"),
        (b"<html>no</html>", "Unprocessable Entity$"),
    ],
)
def test_a_refusal_is_told_in_the_words_of_the_service(web, answer, content, said) -> None:
    web.respond = lambda _: answer(content, status=422)
    with pytest.raises(DownloadError, match=said):
        persist("http://here", lambda: ask(web.url))
    assert len(web.requests) == 1, "a refusal is final"


def test_offline(monkeypatch) -> None:
    monkeypatch.delenv("ATOMSCAPE_OFFLINE", raising=False)
    assert not is_offline()
    assert is_offline(True)
    for value, meant in {"1": True, "yes": True, "0": False, "": False, "False": False}.items():
        monkeypatch.setenv("ATOMSCAPE_OFFLINE", value)
        assert is_offline() is meant
