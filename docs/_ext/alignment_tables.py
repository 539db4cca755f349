"""Tables and the picture of the alignment experiments, from the files that their recipes wrote."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

from matplotlib import rc_context

from atomscape.learn.metrics import shown
from atomscape.recipes._alignment_data import TASKS
from atomscape.recipes._alignment_picture import columns_of, draw, label, rows_of, told

UNSURE = "too small to conclude"


def results(root: Path, name: str) -> dict[str, Any]:
    """What a recipe wrote.

    Raises
    ------
    LookupError
        It has not been run.
    """
    file = root / "experiments" / name / "results.json"
    if not file.is_file():
        raise LookupError(f"no {file}; run atomscape recipe run {name.replace('_', '-')} --out DIR")
    return json.loads(file.read_text(encoding="utf-8"))


def gains(found: dict[str, Any]) -> str:
    """The matrix, encoder by encoder: gains in per cent; bold where they say something."""
    fields = found["details"]["gains"]
    columns = columns_of(fields)
    word = "with" if columns[0] in TASKS else "after"
    lines = [
        "| encoder | error of | " + " | ".join(f"{word} {label(c)}" for c in columns) + " |",
        "|---|---|" + "---:|" * len(columns),
    ]
    for encoder in dict.fromkeys(g["encoder"] for g in fields):
        for task, p in rows_of(fields):
            mine = {
                g["company"]: g
                for g in fields
                if (g["encoder"], g["task"], g["property"]) == (encoder, task, p)
            }
            cells = [_cell(mine[c]) if c in mine else "" for c in columns]
            lines.append("| " + " | ".join([encoder, label(task, p), *cells]) + " |")
    return "\n".join(lines)


def _cell(gain: dict[str, Any]) -> str:
    text = f"{told(gain['mean'], gain['half_width'])} %"
    return {"helps": f"**{text}**", "harms": f"**{text}**", "no effect": text}.get(
        gain["verdict"], f"({text})"
    )


def alone(found: dict[str, Any]) -> str:
    """Test errors of each dataset alone, their standard deviation over seeds, and those of the mean."""
    lines = [
        "| dataset | encoder | test MAE | mean of the training part | seeds |",
        "|---|---|---:|---:|---:|",
    ]
    for a in sorted(found["details"]["alone"], key=lambda a: (list(TASKS).index(a["task"]), a["property"])):
        value, unit = shown(a["mae"], a["unit"])
        spread, mean = (shown(a[k], a["unit"])[0] for k in ("deviation", "mean"))
        lines.append(
            f"| {label(a['task'], a['property'])} | {a['encoder']} "
            f"| {number(value)} ± {number(spread, 2)} {unit} | {number(mean)} {unit} | {a['seeds']} |"
        )
    return "\n".join(lines)


def number(value: float, digits: int = 3) -> str:
    """So many digits, or as many as stand before the point."""
    return f"{value:.{digits}g}" if value < 10**digits - 0.5 else f"{value:,.0f}"


def data(found: dict[str, Any]) -> str:
    """Structures of each part, and the groups that are not torn apart, for the first seed."""
    lines = ["| dataset | train | test | groups in train | groups in test |", "|---|---:|---:|---:|---:|"]
    for name, parts in found["details"]["counts"].items():
        train, test = parts["train"], parts["test"]
        cells = train["structures"], test["structures"], train["groups"], test["groups"]
        lines.append(f"| {label(name)} | " + " | ".join(f"{n:,}" for n in cells) + " |")
    return "\n".join(lines)


def run(found: dict[str, Any]) -> str:
    """One line about the trainings."""
    seconds, o = found["details"]["cpu_seconds"], found["options"]
    return (
        f"{len(seconds)} trainings of {o['steps']} steps with {o['batch']} structures of each dataset, "
        f"{sum(seconds.values()) / 60:.0f} CPU minutes in all; commit {(found['commit'] or 'unknown')[:12]}."
    )


def picture(found: dict[str, Any]) -> str:
    """The matrix as a heat map, SVG to stand in a page."""
    text = StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "gains"}):
        draw(found["details"]["gains"]).savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()[text.getvalue().index("<svg") :]


TABLES = {"gains": gains, "alone": alone, "data": data, "run": run}
