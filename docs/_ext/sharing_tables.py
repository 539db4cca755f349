"""Tables of what sharing an encoder costs or gains, as Markdown, from ``experiments/sharing``."""

from __future__ import annotations

import json
import re
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

FOLDER = "experiments/sharing"
NAME = re.compile(r"(?P<size>\d+k)-(?P<encoder>\w+)-(?P<task>[a-z_]+?)(-seed(?P<seed>\d+))?\.json")
ENCODERS = ("schnet", "egnn", "tfn")
BASELINES = {"composition": "composition only (linear)", "mean": "mean"}
DEBYE = 0.20819433442462576
"""e·Å, as ASE has it."""


class Column(NamedTuple):
    """A property as a table shows it: errors in ``unit`` of the file are divided by ``by``."""

    title: str
    unit: str
    by: float
    digits: int


COLUMNS = {
    "gap": Column("gap, meV", "eV", 1e-3, 0),
    "energy_zero_kelvin": Column("U₀, meV", "eV", 1e-3, 0),
    "isotropic_polarizability": Column("α, Å³", "Å³", 1.0, 3),
    "dipole_norm": Column("dipole, D", "e·Å", DEBYE, 3),
}

Runs = dict[tuple[str, str, str], dict[int, dict[str, Any]]]
"""(size, encoder, task) → seed → what the run wrote."""


def read(root: Path) -> Runs:
    """Every run that has been filed.

    Raises
    ------
    LookupError
        None has.
    """
    runs: Runs = {}
    for file in sorted((root / FOLDER).glob("*.json")):
        parts = NAME.fullmatch(file.name)
        if parts is not None:
            key = parts["size"], parts["encoder"], parts["task"]
            runs.setdefault(key, {})[int(parts["seed"] or 0)] = json.loads(file.read_text(encoding="utf-8"))
    if not runs:
        raise LookupError(f"{FOLDER} holds no results; python {FOLDER}/run.py tfn 1k writes the first")
    return runs


def errors(runs: Runs, size: str) -> str:
    """Test errors of every encoder with all heads, of single heads where they were trained, and baselines.

    Raises
    ------
    LookupError
        No encoder was trained on all properties at once.
    """
    if not any((s, t) == (size, "all") for s, _, t in runs):
        raise LookupError(f"{FOLDER}: no run of {size} has all heads; python {FOLDER}/run.py tfn {size}")
    lines = _head("encoder", "heads", *(c.title for c in COLUMNS.values()), "CPU, min")
    for encoder in ENCODERS:
        together = runs.get((size, encoder, "all"))
        if together:
            cells = [_shown(p, together) for p in COLUMNS]
            lines.append(_row(f"**{encoder}**", "four in one run", *cells, _minutes([together])))
        alone = {p: runs.get((size, encoder, p)) for p in COLUMNS}
        if any(alone.values()):
            cells = ["–" if r is None else _shown(p, r) for p, r in alone.items()]
            spent = _minutes([r for r in alone.values() if r])
            lines.append(_row(f"**{encoder}**", "a run for each", *cells, spent))
    seeds = next(r for (s, _, t), r in runs.items() if (s, t) == (size, "all"))
    some = seeds[min(seeds)]
    for key, name in BASELINES.items():
        cells = [_number(p, _error(some["baselines"][key]["test"], p)) for p in COLUMNS]
        lines.append(_row(name, "", *cells, ""))
    return "\n".join([*lines, ""])


def gain(runs: Runs) -> str:
    """Error of a property learned with the others over its error learned alone, minus one."""
    lines = _head("encoder", "molecules", *(c.title.split(",")[0] for c in COLUMNS.values()), "seeds")
    for size, encoder in sorted({(s, e) for s, e, task in runs if task != "all"}):
        together = runs.get((size, encoder, "all"), {})
        cells, seeds = [], 0
        for p in COLUMNS:
            alone = runs.get((size, encoder, p), {})
            both = sorted(set(alone) & set(together))
            seeds = max(seeds, len(both))
            change = [100 * (_test(together[k], p) / _test(alone[k], p) - 1) for k in both]
            spread = f" ± {stdev(change):.0f}" if len(change) > 1 else ""
            cells.append(f"{mean(change):+.0f}{spread} %".replace("-", "−") if change else "–")
        lines.append(_row(f"**{encoder}**", size.replace("k", ",000"), *cells, str(seeds)))
    return "\n".join([*lines, ""])


TABLES = {"1k": lambda runs: errors(runs, "1k"), "5k": lambda runs: errors(runs, "5k"), "gain": gain}
"""Argument of the directive → text."""


def _test(run: dict[str, Any], property: str) -> float:
    return _error(run["metrics"]["test"], property)


def _error(metrics: list[dict[str, Any]], property: str) -> float:
    wanted = (property, COLUMNS[property].unit)
    return next(m["mae"] for m in metrics if (m["property"], m["unit"]) == wanted)


def _shown(property: str, runs: dict[int, dict[str, Any]]) -> str:
    values = [_test(run, property) for run in runs.values()]
    spread = f" ± {_number(property, stdev(values))}" if len(values) > 1 else ""
    return _number(property, mean(values)) + spread


def _number(property: str, value: float) -> str:
    column = COLUMNS[property]
    return f"{value / column.by:,.{column.digits}f}"


def _minutes(groups: list[dict[int, dict[str, Any]]]) -> str:
    return f"{sum(mean(run['cpu_seconds'] for run in runs.values()) for runs in groups) / 60:.0f}"


def _head(*names: str) -> list[str]:
    return [_row(*names), "|---|---" + "|---:" * (len(names) - 2) + "|"]


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"
