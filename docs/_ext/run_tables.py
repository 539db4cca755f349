"""One run as a table: test error of everything it learned, on every dataset, beside both baselines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from atomscape.learn.metrics import shown

Key = tuple[str, str, str]


def read(root: Path, name: str) -> dict[str, Any]:
    """What the run of ``experiments/NAME`` wrote.

    Raises
    ------
    LookupError
        It has not been run.
    """
    file = root / "experiments" / name / "results.json"
    if not file.is_file():
        raise LookupError(f"experiments/{name} holds no results; run python scripts/experiment.py {name}")
    return json.loads(file.read_text(encoding="utf-8"))


def table(run: dict[str, Any]) -> str:
    """A line for each dataset and property; energies of structures are given per atom only."""
    found = {_key(m): m for m in run["metrics"]["test"]}
    rows = {k: m for k, m in found.items() if (*k[:2], f"{k[2]}/atom") not in found}
    several = len({dataset for dataset, *_ in rows}) > 1
    heads = ["dataset"] * several + ["property", "MAE", "composition only", "mean", "RMSE", "known"]
    lines = [_row(*heads), _row(*["---"] * (1 + several), *["---:"] * 5)]
    guesses = {b: {_key(m): m["mae"] for m in run["baselines"][b]["test"]} for b in ("composition", "mean")}
    for key, m in rows.items():
        unit = shown(1.0, key[2])[1]
        cells = [_number(m["mae"], key), *(_number(guesses[b].get(key), key) for b in guesses)]
        best = min((guesses[b][key] for b in guesses if key in guesses[b]), default=None)
        if best is not None and m["mae"] < best:
            cells[0] = f"**{cells[0]}**"
        names = [key[0]] * several + [f"{key[1]}, {unit}".replace("_", " ") if unit != "1" else key[1]]
        lines.append(_row(*names, *cells, _number(m["rmse"], key), f"{m['count']:,}"))
    return "\n".join([*lines, ""])


def line(run: dict[str, Any]) -> str:
    """One line about the training."""
    train = sum(parts["train"] for parts in run["counts"].values())
    scores = "".join(
        f" {name.split('/')[-1].capitalize()}: balanced accuracy {s['balanced_accuracy']:.3f}"
        + (f", area under the ROC curve {s['roc_auc']:.3f}." if "roc_auc" in s else ".")
        for name, s in run.get("classes", {}).get("test", {}).items()
    )
    return (
        f"Trained on {train:,} structures, {run['epochs']} epochs, {run['n_parameters']:,} parameters, "
        f"{run['cpu_seconds'] / 60:.0f} minutes of CPU time on {run['threads']} thread; seed {run['seed']}. "
        f"Bold: better than both baselines.{scores}"
    )


def _key(metric: dict[str, Any]) -> Key:
    return metric["dataset"], metric["property"], metric["unit"]


def _number(value: float | None, key: Key) -> str:
    if value is None:
        return "–"
    number = shown(value, key[2])[0]
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.3g}"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"
