"""A page as one file: a template filled with style, data and script, written whole or not at all."""

from __future__ import annotations

import html
import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path

from atomscape.web.packing import Blob


def page_modules(package: str) -> dict[str, str]:
    """ES modules of a package's folder ``page``, and those that all pages share: name → source."""
    folders = (resources.files(p).joinpath("page") for p in ("atomscape.web", package))
    files = [f for folder in folders for f in folder.iterdir() if f.name.endswith(".js")]
    return {f.name[:-3]: f.read_text("utf-8") for f in sorted(files, key=lambda f: f.name)}


def look() -> str:
    """Style that all pages share: colours in light and dark, letters, buttons, dialogs."""
    return resources.files("atomscape.web").joinpath("page/look.css").read_text("utf-8")


def filled(template: str, filling: Mapping[str, Iterable[str]]) -> list[str]:
    """The template with each ``<!-- fill NAME -->`` replaced, in pieces.

    Raises
    ------
    KeyError
        The template asks for what is not given.
    """
    pieces = re.split(r"<!-- fill (\w+) -->", template)
    return [p for i, piece in enumerate(pieces) for p in (filling[piece] if i % 2 else [piece])]


def as_text(text: str) -> list[str]:
    """Text that HTML shall show as it is."""
    return [html.escape(text)]


def as_json(value: object) -> list[str]:
    """JSON inside a script element: data never meet the HTML parser raw."""
    return [json.dumps(value, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")]


def as_blobs(blobs: Mapping[str, Blob]) -> Iterable[str]:
    """Packed arrays as elements ``blob-NAME``, which the page's ``pack.js`` reads."""
    for name, blob in blobs.items():
        yield f'<script type="text/plain" id="blob-{name}" data-dtype="{blob.dtype}">{blob.text}</script>\n'


def write_whole(path: Path, parts: Iterable[str], what: str) -> Path:
    """Write to a temporary file beside the target, then rename.

    Raises
    ------
    OSError
        ``what``, as in "the map", cannot be written there; nothing was changed.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(21, "is a directory")
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    except OSError as error:
        raise OSError(
            f"cannot write {what} to {path}: {error.strerror}; choose another file or folder"
        ) from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.writelines(parts)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        raise OSError(
            f"cannot write {what} to {path}: {error.strerror}; nothing was changed there"
        ) from error
    return path
