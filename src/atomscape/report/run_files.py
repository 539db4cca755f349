"""What lies in the folder of a run, read as it is: also while the run is under way."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from atomscape.learn.predictions import read_predictions
from atomscape.learn.run_folder import CONFIG, DIAGNOSTICS, RESULTS

METRICS = "metrics.jsonl"


@dataclass(frozen=True, eq=False)
class RunFiles:
    """Records of a run. ``results`` and ``predictions`` are there once it has ended."""

    folder: Path
    config_text: str
    config: dict[str, Any]
    metrics: list[dict[str, Any]]
    diagnostics: list[dict[str, Any]]
    results: dict[str, Any] | None
    predictions: pa.Table | None

    @property
    def name(self) -> str:
        """Name of the run."""
        return self.config["name"]

    def kind(self, kind: str) -> list[dict[str, Any]]:
        """Diagnostics of one kind: ``look`` or ``speed``."""
        return [d for d in self.diagnostics if d["kind"] == kind]


def read_run_files(folder: Path) -> RunFiles:
    """Read the folder of a run.

    Raises
    ------
    ValueError
        It holds no run.
    """
    if not (folder / CONFIG).is_file():
        raise ValueError(f"{folder} holds no run: there is no {CONFIG}; name the folder that train wrote")
    text = (folder / CONFIG).read_text(encoding="utf-8")
    results = folder / RESULTS
    return RunFiles(
        folder=folder,
        config_text=text,
        config=yaml.safe_load(text),
        metrics=_lines(folder / METRICS),
        diagnostics=_lines(folder / DIAGNOSTICS),
        results=json.loads(results.read_text(encoding="utf-8")) if results.is_file() else None,
        predictions=read_predictions(folder),
    )


def _lines(path: Path) -> list[dict[str, Any]]:
    """Records of a file of JSON lines; a last line that is being written is left out."""
    if not path.is_file():
        return []
    whole = path.read_text(encoding="utf-8").rpartition("\n")[0]
    return [json.loads(line) for line in whole.splitlines() if line]
