"""What equivariance is worth, as Markdown and a picture, from ``experiments/equivariance``."""

from __future__ import annotations

import json
import re
from io import StringIO
from math import exp, log
from pathlib import Path
from statistics import mean, stdev, variance
from typing import Any

from matplotlib import rc_context
from scipy.stats import t as student

from atomscape.learn.metrics import shown
from atomscape.recipes._figure import figure_of

FOLDER = "experiments/equivariance"
NAME = re.compile(r"(?P<task>\w+)-(?P<side>\w+)-(?P<seed>\d+)\.json")
SIDES = {"mace": "equivariant (mace)", "attention": "turned data (attention)"}
COLOURS = {"mace": "#2563eb", "attention": "#d97706"}
TITLES = {
    ("3bpa", "energy", "eV"): "3BPA, energy",
    ("3bpa", "forces", "eV/Å"): "3BPA, forces",
    ("qm9", "gap", "eV"): "QM9, gap",
    ("qm9", "energy_zero_kelvin", "eV"): "QM9, U₀",
}
"""Task, property and unit → what it is called."""

Runs = dict[str, dict[str, list[dict[str, Any]]]]
"""Task → side → what its runs wrote, by seed."""


def read(root: Path) -> Runs:
    """Every run that has been filed.

    Raises
    ------
    LookupError
        A task has fewer than two runs of a side: nothing can be said of its scatter.
    """
    found: Runs = {task: {side: [] for side in SIDES} for task, _, _ in TITLES}
    for file in sorted((root / FOLDER).glob("*.json")):
        parts = NAME.fullmatch(file.name)
        if parts is not None:
            found[parts["task"]][parts["side"]].append(json.loads(file.read_text(encoding="utf-8")))
    for task, sides in found.items():
        for side, runs in sides.items():
            if len(runs) < 2:
                raise LookupError(
                    f"{FOLDER} holds {len(runs)} results of {task} {side}; run.py {task} {side} --seed N"
                )
    return found


def errors(runs: Runs) -> str:
    """Test errors, mean and standard deviation over seeds, their ratio, and what it says."""
    lines = [
        "| test MAE | " + " | ".join(SIDES.values()) + " | ratio, 95 % interval | |",
        "|---|---:|---:|---:|---|",
    ]
    for (task, p, unit), title in TITLES.items():
        values = {side: maes(of, p, unit) for side, of in runs[task].items()}
        cells = [_with_scatter(v, unit) for v in values.values()]
        middle, low, high = ratio(*values.values())
        word = "equivariance wins" if low > 1 else "equivariance loses" if high < 1 else "too close to tell"
        lines.append(
            f"| {title} | {cells[0]} | {cells[1]} | {middle:.2f} ({low:.2f} to {high:.2f}) | {word} |"
        )
    return "\n".join(lines)


def maes(runs: list[dict[str, Any]], name: str, unit: str) -> list[float]:
    """Test error of a property, run by run."""
    return [m["mae"] for run in runs for m in run["metrics"] if (m["property"], m["unit"]) == (name, unit)]


def ratio(ours: list[float], theirs: list[float]) -> tuple[float, float, float]:
    """Error of the second over that of the first, geometric means, and Welch's 95 % interval of it."""
    a, b = [log(x) for x in ours], [log(x) for x in theirs]
    parts = [variance(x) / len(x) for x in (a, b)]
    error = sum(parts) ** 0.5
    freedom = sum(parts) ** 2 / sum(p**2 / (len(x) - 1) for p, x in zip(parts, (a, b), strict=True))
    half, middle = student.ppf(0.975, freedom) * error, mean(b) - mean(a)
    return exp(middle), exp(middle - half), exp(middle + half)


def _with_scatter(values: list[float], unit: str) -> str:
    value, named = shown(mean(values), unit)
    return f"{value:.3g} ± {stdev(values) * value / mean(values):.2g} {named}"


def effort(runs: Runs) -> str:
    """What each side did with its time."""
    lines = ["| | parameters | epochs | CPU, min | seeds |", "|---|---:|---:|---:|---:|"]
    for task, sides in runs.items():
        for side, of in sides.items():
            epochs = sorted(run["epochs"] for run in of)
            minutes = mean(run["cpu_seconds"] for run in of) / 60
            lines.append(
                f"| {task}, {side} | {of[0]['parameters']:,} | {epochs[0]} to {epochs[-1]} | {minutes:.1f} "
                f"| {len(of)} |"
            )
    return "\n".join(lines)


def picture(runs: Runs) -> str:
    """Every run as a dot, means as bars, one panel for each property; SVG to stand in a page."""
    text = StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "equivariance"}):
        fig = figure_of((2.3 * len(TITLES), 3.0), None)
        for ax, ((task, p, unit), title) in zip(fig.subplots(1, len(TITLES)), TITLES.items(), strict=True):
            for n, (side, of) in enumerate(runs[task].items()):
                pairs = [shown(x, unit) for x in maes(of, p, unit)]
                values, named = [v for v, _ in pairs], pairs[0][1]
                ax.bar(n, mean(values), 0.6, color=COLOURS[side], alpha=0.35)
                ax.plot([n - 0.08, n, n + 0.08][: len(values)], values, "o", color=COLOURS[side], ms=4)
                ax.set_title(title, fontsize=10)
                ax.set_ylabel(f"test MAE, {named}", fontsize=8)
            ax.set_xticks(range(len(SIDES)), list(SIDES), fontsize=8)
            ax.tick_params(axis="y", labelsize=8)
            ax.set_ylim(bottom=0)
            ax.spines[["top", "right"]].set_visible(False)
        fig.tight_layout()
        fig.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()[text.getvalue().index("<svg") :]


TABLES = {"errors": errors, "effort": effort}
