"""Ask a server with patience: proxies, redirects, the pauses that it asks for, and staying offline.

Proxies are those of ``https_proxy``, ``http_proxy`` and ``no_proxy``, as everywhere. With
``ATOMSCAPE_OFFLINE=1`` nothing is asked at all.
"""

from __future__ import annotations

import errno
import json
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from atomscape import __version__

AGENT = f"atomscape/{__version__} (python urllib)"
OFFLINE = "ATOMSCAPE_OFFLINE"
TRY_AGAIN = (408, 409, 421, 423, 425, 429, 500, 502, 503, 504)
"""Answers after which asking again may help; all others are final."""
LONGEST = 600.0
"""Seconds that a server may ask to be left alone before the download gives up."""
SECRET = ("Authorization", "X-api-key", "Cookie")
"""Headers (spelled as urllib keeps them) that only the server they are meant for may see."""
PASSING = (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError, ssl.SSLError)
"""Faults of the way to the server, which may pass."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Faults of a disk without room."""

Value = TypeVar("Value")


class DownloadError(OSError):
    """Something could not be downloaded; what was received so far is kept and continued next time."""


class Offline(DownloadError):
    """Something is not on this machine, and the network is not to be used."""


class EndedEarly(ConnectionError):
    """An answer stopped before its end."""


def is_offline(asked: bool = False) -> bool:
    """Whether the network must not be used: asked for, or set in the environment."""
    return asked or os.environ.get(OFFLINE, "").strip().lower() not in ("", "0", "no", "false", "off")


def open_url(request: urllib.request.Request, timeout: float) -> HTTPResponse:
    """Send a request, through the proxies of the environment, and return the answer, still to be read.

    Raises
    ------
    ValueError
        The address is not of the web: a server's answer may name any next page, even a local file.
    """
    if urlsplit(request.full_url).scheme not in ("http", "https"):
        raise ValueError(f"{request.full_url} is not an address of the web (http or https)")
    return urllib.request.build_opener(_Redirects).open(request, timeout=timeout)


def persist(
    address: str,
    attempt: Callable[[], Value],
    *,
    gained: Callable[[], bool] = lambda: False,
    retries: int = 5,
    pause: Callable[[float], None] = time.sleep,
    on_refusal: str = "",
) -> Value:
    """Call ``attempt`` until it returns; ``retries`` failures in a row end it.

    Pauses grow as 1, 2, 4, … seconds, and are longer where the server's ``Retry-After`` says so.

    Parameters
    ----------
    address
        What is asked, for messages.
    gained
        Whether the last attempt, though it failed, brought something: then the count starts anew.
    on_refusal
        What the user can do when the server refuses.

    Raises
    ------
    DownloadError
        The server refuses, cannot be reached, or asks for a pause of more than ten minutes.
    """
    failures = 0
    while True:
        asked = 0.0
        try:
            return attempt()
        except urllib.error.HTTPError as error:
            problem = f"the server answers {error.code} {error.reason}{_explanation(error)}"
            asked = retry_after(error.headers)
            if error.code not in TRY_AGAIN:
                raise DownloadError(f"{address}: {problem}{on_refusal}") from error
        except EndedEarly as error:
            problem = str(error)
        except PASSING as error:
            problem = f"{type(error).__name__}: {getattr(error, 'reason', error)}"
            if isinstance(getattr(error, "reason", None), ssl.SSLCertVerificationError):
                raise DownloadError(
                    f"{address}: {problem}; where a proxy signs for all servers, name its certificate in "
                    "SSL_CERT_FILE"
                ) from error
        failures = 0 if gained() else failures + 1
        if failures >= retries:
            raise DownloadError(
                f"{address}: {problem}; gave up after {retries} attempts, call again to continue"
            )
        if asked > LONGEST:
            raise DownloadError(
                f"{address}: {problem}; it asks for a pause of {asked / 60:.0f} minutes, call again then"
            )
        pause(max(2.0 ** max(failures - 1, 0), asked))


def no_room(error: OSError, target: Path, received: str) -> OSError:
    """What to say of a full disk; ``received`` is what came before it, and is kept."""
    return OSError(
        error.errno,
        f"no room for {target}: {error.strerror} after {received}; make room and call again to continue, or "
        "name a larger place in ATOMSCAPE_CACHE",
    )


def retry_after(headers: Message | None) -> float:
    """Seconds that a server asks to wait; 0 where it does not say."""
    text = ((headers.get("Retry-After") if headers else None) or "").strip()
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def _explanation(error: urllib.error.HTTPError) -> str:
    """What the body of an error says, as far as it is a sentence for people; services answer in JSON."""
    try:
        text = error.read(4096).decode("utf-8", "replace").strip()
    except (*PASSING, OSError):
        return ""
    finally:
        error.close()
    try:
        content = json.loads(text)
    except ValueError:
        return ""
    if isinstance(content, dict):
        listed = content.get("errors")
        content = listed[0] if isinstance(listed, list) and listed else content
        keys = ("detail", "message", "error", "title")
        content = next((content[k] for k in keys if isinstance(content, dict) and content.get(k)), content)
    return f" ({' '.join(str(content).split())[:300]})" if content else ""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follow redirects, but leave keys behind when they lead to another server."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        new = super().redirect_request(req, fp, code, msg, headers, newurl)
        if new is not None and urlsplit(new.full_url)[:2] != urlsplit(req.full_url)[:2]:
            for name in SECRET:
                new.remove_header(name)
        return new
