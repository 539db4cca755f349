"""One self-contained HTML file that shows a map: points, colours, search, lasso and structures in 3D.

The file opens by double click, works without a network and without a GPU, and holds its data as compressed
typed arrays. The page itself lives in ``page/`` as plain ES modules, inlined here.

Points are never left out. If the file would become larger than ``max_mb``, some 3D structures are, evenly
within each dataset, and the page says how many.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

import numpy as np

from atomscape.atlas.contents import Contents, MapData, pack_contents, pack_structures
from atomscape.find import suggest
from atomscape.shapes import Int
from atomscape.web.inlining import inline_modules
from atomscape.web.one_file import as_blobs, as_json, as_text, filled, look, page_modules, write_whole
from atomscape.web.packing import pack_source

__all__ = ["MapData", "page_sources", "write_page"]

MAX_MB = 64.0


def write_page(data: MapData, path: str | os.PathLike[str], colour: str = "", max_mb: float = MAX_MB) -> Path:
    """Write the map as one HTML file and return its path. An existing file is replaced in one step.

    Parameters
    ----------
    colour
        Property, or ``"dataset"``, that colours the points at first. Default: the dataset if there are
        several, else the first property.
    max_mb
        Size in megabytes above which 3D structures are left out, evenly within each dataset.

    Raises
    ------
    LookupError
        ``colour`` names no property.
    OSError
        The file cannot be written.
    """
    contents = pack_contents(data, _initial_colour(data, colour))
    structures = pack_structures(data.structures)
    parts = _assemble(data.title, contents, structures)
    kept, n = len(data.ids), len(data.ids)
    while data.structures is not None and kept and (excess := _bytes(parts) - max_mb * 1e6) > 0:
        share = 0.97 * max(0.0, 1 - excess / structures.size) * kept / n
        chosen = _spread(np.asarray(data.dataset, dtype=object), share)
        structures, kept = pack_structures(data.structures, chosen), len(chosen)
        parts = _assemble(data.title, contents, structures)
    return write_whole(Path(path), parts, "the map")


def page_sources() -> dict[str, str]:
    """Return the page's ES modules: name → source."""
    return page_modules("atomscape.atlas")


def _initial_colour(data: MapData, colour: str) -> str:
    known = ["dataset", *(k for k in data.columns if k != "dataset")]
    if colour and colour not in known:
        raise LookupError(
            f"no property called {colour!r} to colour by{suggest(colour, known)} Known: {', '.join(known)}."
        )
    several = len(set(data.dataset)) > 1
    return colour or (known[0] if several or len(known) == 1 else known[1])


def _spread(dataset: np.ndarray, share: float) -> Int[np.ndarray, " chosen"]:
    """Rows spread evenly over each dataset, a share of its structures."""
    chosen = [np.zeros(0, dtype=np.int64)]
    for name in dict.fromkeys(dataset.tolist()):
        rows = np.flatnonzero(dataset == name)
        chosen.append(rows[np.linspace(0, len(rows) - 1, int(share * len(rows))).round().astype(np.int64)])
    return np.sort(np.concatenate(chosen))


def _bytes(parts: Iterable[str]) -> int:
    return sum(len(p) if p.isascii() else len(p.encode()) for p in parts)


def _assemble(title: str, contents: Contents, structures: Contents) -> list[str]:
    """Fill the template."""
    folder = resources.files("atomscape.atlas").joinpath("page")

    def text(name: str) -> str:
        return folder.joinpath(name).read_text("utf-8")

    library = pack_source(text("third-party/3Dmol-min.js"))
    licences = text("third-party/3Dmol-NOTICE.txt") + "\n" + text("third-party/3Dmol-LICENSE.txt")
    filling: dict[str, Iterable[str]] = {
        "title": as_text(title),
        "style": [look(), text("style.css")],
        "manifest": as_json({**contents.manifest, **structures.manifest}),
        "blobs": as_blobs({**contents.blobs, **structures.blobs, "3Dmol": library}),
        "licences": as_text(licences),
        "script": [inline_modules(page_sources(), "main")],
    }
    return filled(text("index.html"), filling)
