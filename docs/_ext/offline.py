"""Refuse a page that would load anything from a network when it is read."""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

LOADED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio)\b[^>]*\bsrc=["']?(?:https?:)?//"""
    r"""|<link\b[^>]*\brel=["']?(?:stylesheet|preload|preconnect|icon)[^>]*\bhref=["']?(?:https?:)?//"""
    r"""|@import\s+(?:url\()?["']?(?:https?:)?//""",
    re.IGNORECASE,
)


def _check(app: Sphinx, error: Exception | None) -> None:
    if error is not None:
        return
    found = [
        f"{page.relative_to(app.outdir)}: {match.group(0)}"
        for kind in ("*.html", "*.css")
        for page in Path(app.outdir).rglob(kind)
        for match in LOADED.finditer(page.read_text(encoding="utf-8"))
    ]
    if found:
        raise ExtensionError("pages load from a network:\n" + "\n".join(found))


def setup(app: Sphinx) -> dict[str, bool]:
    """Look through all pages when they are written."""
    app.connect("build-finished", _check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
