"""Results of a finished run, as shown in the last table and written to ``results.json``."""

from __future__ import annotations

import json
import platform
import subprocess
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from atomscape import __version__
from atomscape.learn.baselines import baselines
from atomscape.learn.checkpoint import load_model, write_atomic
from atomscape.learn.class_scores import class_scores
from atomscape.learn.config import RunConfig
from atomscape.learn.constants.fit import Fitted
from atomscape.learn.evaluate import evaluate_graphs
from atomscape.learn.graphs import GraphSet
from atomscape.learn.machines.ranks import ALONE, Ranks
from atomscape.learn.metrics import Metric
from atomscape.learn.model import Model
from atomscape.learn.predictions import Kept, write_predictions
from atomscape.learn.prepare import PARTS, Prepared
from atomscape.learn.run_folder import BEST, RESULTS
from atomscape.learn.state import Progress

PACKAGES = ("torch", "numpy", "accelerate", "safetensors", "pyarrow", "numba", "ase")


@dataclass(frozen=True)
class Results:
    """Errors of the best model and of the baselines on every part, and how they came about."""

    name: str
    seed: int
    metrics: dict[str, list[Metric]]
    baselines: dict[str, dict[str, list[Metric]]]
    counts: dict[str, dict[str, int]]
    passes: dict[str, float]
    leaks: list[dict]
    fitted: list[dict]
    n_parameters: int
    model_hash: str
    best_epoch: int
    epochs: int
    steps: int
    wall_seconds: float
    cpu_seconds: float
    threads: int
    fingerprints: dict[str, str]
    versions: dict[str, str]
    commit: str | None
    machine: str
    config: dict[str, Any]
    weights: dict[str, float] = field(default_factory=dict)
    started_from: dict[str, Any] = field(default_factory=dict)
    classes: dict[str, dict[str, dict]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, as in ``results.json``; what a run did not use is left out."""
        later = ("weights", "started_from", "classes")
        return {k: v for k, v in asdict(self).items() if v or k not in later}


def finish(
    config: RunConfig,
    folder: Path,
    prepared: Prepared,
    graphs: dict[str, GraphSet],
    model: Model,
    fitted: list[Fitted],
    progress: Progress,
    source: str | None,
    ranks: Ranks = ALONE,
    **later: Any,
) -> Results:
    """Evaluate the best model on every part, beside the baselines; write ``results.json`` and predictions.

    Each process evaluates its share, and the first writes. ``source`` is the commit the run was started (or
    last resumed) from; ``later`` are fields of ``Results`` that only some runs have.
    """
    best = load_model(folder / BEST, next(model.parameters()).device)
    kept = {part: Kept(best, prepared, part, graphs[part]) for part in ("val", "test")}
    metrics = {
        part: evaluate_graphs(best, graphs[part], (), ranks, kept[part].add if part in kept else None)[0]
        for part in PARTS
    }
    write_predictions(folder, list(kept.values()), ranks)
    results = Results(
        name=config.name,
        seed=config.seed,
        metrics=metrics,
        baselines=baselines(prepared, graphs, best.own_losses()),
        counts={n: {part: len(rows[part]) for part in PARTS} for n, rows in prepared.rows.items()},
        passes=passes(prepared, progress.epoch),
        leaks=[leak.as_dict() for leak in prepared.leaks],
        fitted=[f.as_dict() for f in fitted],
        n_parameters=best.n_parameters,
        model_hash=best.hash,
        best_epoch=progress.best_epoch or 0,
        epochs=progress.epoch,
        steps=progress.step,
        wall_seconds=round(progress.wall_seconds, 2),
        cpu_seconds=round(progress.cpu_seconds, 2),
        threads=config.training.threads,
        fingerprints=prepared.fingerprints,
        versions={"atomscape": __version__, "python": platform.python_version()}
        | {p: version(p) for p in PACKAGES},
        commit=source,
        machine=f"{platform.machine()} {platform.system()}",
        config=_settings(config),
        classes={part: s for part in PARTS if (s := class_scores(best, graphs[part]))},
        **later,
    )
    if ranks.main:
        text = json.dumps(results.as_dict(), indent=1, ensure_ascii=False) + "\n"
        write_atomic(folder / RESULTS, text.encode())
    return results


def passes(prepared: Prepared, epochs: int) -> dict[str, float]:
    """How often the run went through the training part of each dataset in so many epochs."""
    each = prepared.mixture.passes if prepared.mixture else dict.fromkeys(prepared.stores, 1.0)
    return {name: round(epochs * share, 4) for name, share in each.items()}


def _settings(config: RunConfig) -> dict[str, Any]:
    """The config as data; of a split file, or of a model, only its name: content is told by hash."""
    settings = config.model_dump(mode="json")
    for dataset in settings["data"]:
        if "path" in dataset["split"]:
            dataset["split"]["path"] = Path(dataset["split"]["path"]).name
    if settings["start_from"]:
        settings["start_from"]["model"] = Path(settings["start_from"]["model"]).name
    return settings


def commit() -> str | None:
    """Commit of the source tree this package runs from, with ``+`` if it was edited; None outside git."""
    here = Path(__file__).resolve().parents[1]
    try:
        head = subprocess.run(
            ["git", "-C", str(here), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10
        )
        changed = subprocess.run(
            ["git", "-C", str(here), "status", "--porcelain", "--untracked-files=no", "--", "."],
            capture_output=True, text=True, timeout=10,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    if head.returncode:
        return None
    return head.stdout.strip() + ("+" if changed.stdout.strip() else "")
