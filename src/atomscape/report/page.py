"""The report of a run as one HTML file: it opens by double click, without a network or a server."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from atomscape.learn.run_folder import REPORT
from atomscape.report.compared import Compared, by_element, compared, worst
from atomscape.report.run_files import RunFiles, read_run_files
from atomscape.report.sections import curves, facts, network, scores, tables
from atomscape.report.structures import Pictures
from atomscape.web.inlining import inline_modules
from atomscape.web.one_file import as_blobs, as_json, as_text, filled, look, page_modules, write_whole
from atomscape.web.packing import Blob, pack_array, pack_texts

MOST_POINTS = 20_000
"""Numbers of one property, dataset and part that are drawn."""


def write_report(run: str | os.PathLike[str], path: str | os.PathLike[str] | None = None) -> Path:
    """Write the report of a run, by default into its folder, and return its path.

    A run that is under way has one too: without the parts that come at the end.

    Raises
    ------
    ValueError
        The folder holds no run.
    OSError
        The file cannot be written.
    """
    files = read_run_files(Path(run))
    return write_whole(Path(path) if path else files.folder / REPORT, page_parts(files), "the report")


def page_parts(run: RunFiles) -> list[str]:
    """The page as text, in pieces."""
    folder = resources.files("atomscape.report").joinpath("page")
    packing = Packing(run)
    filling = {
        "title": as_text(run.name),
        "style": [look(), folder.joinpath("style.css").read_text("utf-8")],
        "manifest": as_json(finite(packing.manifest())),
        "blobs": as_blobs(packing.blobs),
        "script": [inline_modules(page_modules("atomscape.report"), "main")],
    }
    return filled(folder.joinpath("index.html").read_text("utf-8"), filling)


class Packing:
    """What the page is told: small things as JSON, many numbers as packed arrays."""

    def __init__(self, run: RunFiles) -> None:
        self.run, self.pictures = run, Pictures(run)
        self.blobs: dict[str, Blob] = {}

    def manifest(self) -> dict[str, Any]:
        """Everything, in the order of the page."""
        run = self.run
        table = run.predictions
        properties = self._properties([] if table is None else list(compared(table, run.results)))
        return {
            "name": run.name,
            "ended": run.results is not None,
            "facts": facts(run),
            "scores": scores(run),
            "curves": curves(run),
            "ids": None if table is None else self._keep(pack_texts(table["id"].to_pylist())),
            "properties": properties,
            "pictures": self._keep(pack_texts(self.pictures.texts)),
            "network": network(run),
            "tables": tables(run),
            "config": run.config_text,
        }

    def _properties(self, parts: Sequence[Compared]) -> list[dict[str, Any]]:
        """Properties with what is known of each on every dataset and part."""
        if self.run.predictions is None:
            return []
        numbers = self.run.predictions["numbers"].to_pylist()
        found: dict[str, dict[str, Any]] = {}
        for c in parts:
            p = found.setdefault(c.name, {"name": c.name, "unit": c.unit, "note": c.note, "sets": []})
            drawn, error = c.some(MOST_POINTS), np.abs(c.errors)
            p["sets"].append(
                {
                    "dataset": c.dataset,
                    "part": c.part,
                    "count": len(c.label),
                    "mae": float(error.mean()),
                    "rmse": float(np.sqrt((c.errors**2).mean())),
                    "label": self._numbers(drawn.label),
                    "predicted": self._numbers(drawn.predicted),
                    "structure": self._keep(pack_array(drawn.structure.astype(np.int32))),
                    "elements": [[e.element, e.mae, e.count] for e in by_element(c, numbers)],
                    "worst": [
                        [w.structure, w.error, w.label, w.predicted, self.pictures.of(w.structure)]
                        for w in worst(c)
                    ],
                }
            )
        return list(found.values())

    def _numbers(self, values: np.ndarray) -> dict[str, object]:
        return self._keep(pack_array(values.astype(np.float32)))

    def _keep(self, blob: Blob) -> dict[str, object]:
        name = str(len(self.blobs))
        self.blobs[name] = blob
        return {"id": f"blob-{name}", "dtype": blob.dtype}


def finite(value: Any) -> Any:
    """The same data with null for what is no number."""
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
