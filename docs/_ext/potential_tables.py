"""Tables of potentials side by side, as Markdown, from ``experiments/potentials``."""

from __future__ import annotations

import json
import re
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import yaml

FOLDER, PUBLISHED = "experiments/potentials", "docs/potentials.yaml"
NAME = re.compile(r"(?P<task>[A-Za-z0-9]+)-(?P<side>[a-z\-]+?)(-seed(?P<seed>\d+))?\.json")
OURS = ("mace", "nequip", "tfn")
PEERS = {"mace-torch": "mace-torch", "nequip-package": "nequip"}
"""Side → package, as its versions have it."""

Runs = dict[str, dict[int, dict[str, Any]]]
"""Side → seed → what the run wrote."""


def read(root: Path, task: str) -> Runs:
    """Every run of a task that has been filed, ours first.

    Raises
    ------
    LookupError
        None has.
    """
    found: Runs = {}
    for file in sorted((root / FOLDER).glob(f"{task}-*.json")):
        parts = NAME.fullmatch(file.name)
        if parts is not None:
            run = json.loads(file.read_text(encoding="utf-8"))
            found.setdefault(parts["side"], {})[int(parts["seed"] or 0)] = run
    if not found:
        raise LookupError(
            f"{FOLDER} holds no result of {task}; python {FOLDER}/run.py {task} mace writes the first"
        )
    return {side: found[side] for side in (*OURS, *PEERS) if side in found}


def published(root: Path) -> dict[str, Any]:
    """Figures of others, by task."""
    return yaml.safe_load((root / PUBLISHED).read_text(encoding="utf-8"))["published"]


def errors(runs: Runs, figures: dict[str, Any] | None = None) -> str:
    """RMSE of energies and forces, and of stress where it is learned, on each part of the test frames.

    The best number of a column among what was trained here is bold; seeds give mean ± standard deviation.
    """
    some = first(next(iter(runs.values())))
    parts = list(dict.fromkeys(row["part"] for row in some["metrics"]))
    parts = parts[1:] or parts
    kinds = [k for k in _kinds(some, len(parts) > 1) if _row_of(some["metrics"], parts[0], *k)]
    columns = [(part, kind) for part in parts for kind in kinds]
    titles = [f"{KINDS[kind]}" + (f", {part}" if len(parts) > 1 else "") for part, kind in columns]
    values = {side: [_rmse(of, *column) for column in columns] for side, of in runs.items()}
    best = [min(v[n][0] for v in values.values()) for n in range(len(columns))]
    lines = [_row("trained here", *titles), _row("---", *["---:"] * len(columns))]
    for side, of in runs.items():
        cells = [
            f"**{_shown(*value)}**" if value[0] == best[n] else _shown(*value)
            for n, value in enumerate(values[side])
        ]
        lines.append(_row(_named(side, of), *cells))
    nothing = [_row_of(some["references_only"], part, *kind) for part, kind in columns]
    lines.append(_row("energies of the elements, no forces", *(_shown(1e3 * r["rmse"], 0) for r in nothing)))
    for row in (figures or {}).get("rows", ()):
        cells = [_shown(row[part][n], 0) for part in parts for n in range(len(kinds))]
        lines.append(_row(f"{row['name']} (published, trained at length)", *cells))
    note = (figures or {}).get("note", "")
    return "\n".join([*lines, "", _line(some), *(["", f"Published: {note}"] if note else []), ""])


def effort(runs: Runs) -> str:
    """What each side did with its time."""
    heads = ("", "parameters", "epochs", "CPU, min", "seconds per epoch", "schedule ended")
    lines = [_row(*heads), _row("---", *["---:"] * 5)]
    for side, of in runs.items():
        run = first(of)
        ended = "yes" if run["schedule_ended"] else "no"
        minutes = f"{mean(r['cpu_seconds'] for r in of.values()) / 60:.1f}"
        each = f"{run['plan']['seconds_per_epoch']:.3g}"
        lines.append(
            _row(_named(side, of), f"{run['parameters']:,}", f"{run['epochs']:,}", minutes, each, ended)
        )
    return "\n".join([*lines, ""])


KINDS = {
    ("energy", "eV"): "E, meV",
    ("energy", "eV/atom"): "E, meV/atom",
    ("forces", "eV/Å"): "F, meV/Å",
    ("stress", "eV/Å³"): "stress, meV/Å³",
}
"""Property and unit → title of the column."""


def first(runs: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """Run of the lowest seed."""
    return runs[min(runs)]


def _kinds(run: dict[str, Any], several: bool) -> list[tuple[str, str]]:
    """Columns of a part: energies of molecules per structure, as is usual, of crystals per atom."""
    molecule = "stress" not in {m["property"] for m in run["metrics"]} and several
    return [k for k in KINDS if k != ("energy", "eV/atom" if molecule else "eV")]


def _row_of(metrics: list[dict[str, Any]], part: str, property: str, unit: str) -> dict[str, Any]:
    wanted = (part, property, unit)
    return next((m for m in metrics if (m["part"], m["property"], m["unit"]) == wanted), {})


def _rmse(runs: dict[int, dict[str, Any]], part: str, kind: tuple[str, str]) -> tuple[float, float]:
    values = [1e3 * _row_of(run["metrics"], part, *kind)["rmse"] for run in runs.values()]
    return mean(values), stdev(values) if len(values) > 1 else 0.0


def _named(side: str, runs: dict[int, dict[str, Any]]) -> str:
    if side not in PEERS:
        return f"**{side}** (ours)"
    package = PEERS[side]
    return f"{package} {first(runs)['versions'][package]}"


def _shown(value: float, spread: float) -> str:
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}" + (f" ± {spread:.{digits}f}" if spread else "")


def _line(run: dict[str, Any]) -> str:
    frames = run["frames"]
    return (
        f"RMSE. {frames['train']} frames train, {frames['val']} choose the weights, {frames['test']} test; "
        f"{run['budget_seconds'] / 60:.0f} minutes of CPU time on one thread for each."
    )


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"
