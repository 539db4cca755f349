"""The folder of a run: opened, checked and described before any training starts.

config.yaml        all settings, defaults written out
metrics.jsonl/csv  one row per evaluation
last.safetensors   the training state, to resume from
best.safetensors   the model that was best on the validation part
diagnostics.jsonl  what the network did while it learned, and how fast
predictions.parquet  labels and predictions on val and test (see ``predictions``)
report.html        all of it to look at (``atomscape report``)
results.json       errors on train, val and test beside the baselines, times, versions, fingerprints
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from atomscape import __version__
from atomscape.learn.checkpoint import write_atomic
from atomscape.learn.config import RunConfig
from atomscape.learn.recipe import load_config, to_yaml
from atomscape.learn.state import read_run

LAST, BEST, CONFIG, RESULTS = "last.safetensors", "best.safetensors", "config.yaml", "results.json"
BOARD = "tensorboard"
ACCUMULATE = "training.accumulate"
PREDICTIONS, DIAGNOSTICS, REPORT = "predictions.parquet", "diagnostics.jsonl", "report.html"
_OURS = (
    *(LAST, BEST, RESULTS, "metrics.jsonl", "metrics.csv", CONFIG),
    *(PREDICTIONS, DIAGNOSTICS, REPORT),
)


def open_run(folder: Path, config: RunConfig, resume: bool, overwrite: bool) -> None:
    """Make the folder, or check that the run in it is this one.

    Raises
    ------
    ValueError
        A run is there already and neither ``resume`` nor ``overwrite`` was asked; or it has another config.
    OSError
        The folder cannot be written.
    """
    there = (folder / LAST).is_file()
    if there and resume:
        refuse_changes(load_config(folder / CONFIG), config, folder)
    elif there and not overwrite:
        raise ValueError(
            f"{folder} holds a run already: --resume continues it, --overwrite starts anew; or name another"
        )
    elif folder.is_dir() and not there and any(_foreign(p.name) for p in folder.iterdir()):
        raise ValueError(
            f"{folder} is not empty and holds no run; name another folder, nothing in it was touched"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for half_written in (f for name in _OURS for f in folder.glob(f".{name}.*.tmp")):
            half_written.unlink()  # left by a process that was killed while it wrote
        if not (there and resume):
            for name in _OURS:
                (folder / name).unlink(missing_ok=True)
            shutil.rmtree(folder / BOARD, ignore_errors=True)
    except OSError as error:
        raise OSError(
            f"cannot write the run folder {folder}: {error.strerror or error}; name another with --out"
        ) from error
    write_atomic(folder / CONFIG, to_yaml(config).encode())


def _foreign(name: str) -> bool:
    return not (name in _OURS or name == BOARD or name.endswith(".tmp"))


def refuse_changes(saved: RunConfig, given: RunConfig, folder: Path) -> None:
    """Raise ``ValueError`` that lists every key in which two configs differ."""
    a, b = (_flat(c.model_dump(mode="json")) for c in (saved, given))
    changed = [
        f"  {k}: {a.get(k)!r} → {b.get(k)!r}"
        for k in sorted(a.keys() | b.keys())
        if a.get(k) != b.get(k) and k != ACCUMULATE  # what a step takes is compared with the training state
    ]
    if changed:
        raise ValueError(
            f"the run in {folder} was started with another config; resuming it would be neither run:\n"
            + "\n".join(changed)
            + "\nLeave the overrides out to resume it, or name another folder."
        )


def identity(fingerprints: dict[str, str], start: str | None = None) -> dict[str, Any]:
    """What a training state must agree with to be resumed; ``start`` is the hash of the model begun with."""
    found = {"atomscape": __version__, "fingerprints": fingerprints}
    return found if start is None else found | {"start_from": start}


def refuse_other_start(path: Path, start: str | None) -> None:
    """Raise ``ValueError`` if a training state began with another model than lies in its place now."""
    saved = read_run(path).get("start_from")
    if saved != start:
        raise ValueError(
            f"the model that {path.parent} started from changed since (hash {str(saved)[:12]}… then, "
            f"{str(start)[:12]}… now); put the former one back or start a new run"
        )


def refuse_other_data(path: Path, fingerprints: dict[str, str]) -> None:
    """Raise ``ValueError`` if a training state was made with other data."""
    saved = read_run(path)["fingerprints"]
    changed = [n for n in fingerprints if fingerprints[n] != saved.get(n)]
    if changed:
        raise ValueError(
            f"the data of {', '.join(changed)} (content or split) changed since {path.parent} was started; "
            "resuming would mix two datasets. Restore the data or start a new run"
        )


def refuse_other_steps(path: Path, accumulate: int, processes: int) -> None:
    """Raise ``ValueError`` if a step of the saved run took other batches than one of this run would.

    What a step takes is ``accumulate`` · processes batches, and it does not matter who takes which: a run may
    go on with another number of processes as long as the product is the same.
    """
    before, now = read_run(path).get("batches_per_step", 1), accumulate * processes
    if before == now:
        return
    fits = (
        f"set training.accumulate={before // processes}"
        if before % processes == 0
        else f"start a number of processes that divides {before}, and set training.accumulate to the quotient"
    )
    raise ValueError(
        f"a step of the run in {path.parent} takes {before} batches; {processes} process(es) with "
        f"training.accumulate={accumulate} take {now}, which would be another run. To resume it, {fits}"
    )


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        return {
            k: v
            for key, sub in value.items()
            for k, v in _flat(sub, f"{prefix}.{key}" if prefix else key).items()
        }
    if isinstance(value, list):
        return {k: v for i, sub in enumerate(value) for k, v in _flat(sub, f"{prefix}.{i}").items()}
    return {prefix: value}
