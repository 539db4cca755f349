"""Tables of errors as Markdown, from the files that runs wrote themselves; ``results.yaml`` lists them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

import yaml

PARTS = ("train", "val", "test")
BASELINES = {"composition": "composition only (linear)", "mean": "mean"}


@dataclass(frozen=True)
class Table:
    """One table of ``results.yaml``: errors of one property on one dataset, in ``unit``."""

    title: str
    dataset: str
    property: str
    unit: str
    rows: tuple[dict, ...]
    text: str = ""


def tables(listed: Path) -> list[Table]:
    """Read the list of tables."""
    content = yaml.safe_load(listed.read_text(encoding="utf-8"))
    return [Table(**{**t, "rows": tuple(t["rows"])}) for t in content["tables"]]


def markdown(table: Table, root: Path) -> str:
    """One table as Markdown: a line per model, and the baselines of the first run below.

    Raises
    ------
    LookupError
        A listed file is missing or has no such metric.
    """
    head = ("model", "MAE train", "MAE val", "MAE test", "RMSE test", "parameters", "CPU", "seeds", "commit")
    lines = [f"## {table.title}", table.text, "| " + " | ".join(head) + " |", "|---" + "|---:" * 7 + "|---|"]
    first = None
    for row in table.rows:
        runs = [_read(root, file) for file in row["files"]]
        first = first or runs[0]
        errors = [_shown(table, [r["metrics"][part] for r in runs], "mae") for part in PARTS]
        errors.append(_shown(table, [r["metrics"]["test"] for r in runs], "rmse"))
        size = " / ".join(dict.fromkeys(f"{r['n_parameters']:,}" for r in runs))
        minutes = f"{mean(r['cpu_seconds'] for r in runs) / 60:.0f} min"
        seeds = ", ".join(str(r["seed"]) for r in runs)
        commits = ", ".join(dict.fromkeys((r["commit"] or "?")[:8] for r in runs))
        lines.append("| " + " | ".join([f"**{row['name']}**", *errors, size, minutes, seeds, commits]) + " |")
    for key, name in BASELINES.items():
        rows = first["baselines"][key] if first else {}
        errors = [_shown(table, [rows[part]], "mae") for part in PARTS]
        errors.append(_shown(table, [rows["test"]], "rmse"))
        lines.append("| " + " | ".join([name, *errors, "", "", "", ""]) + " |")
    counts = first["counts"][table.dataset] if first else {}
    sizes = ", ".join(f"{counts[part]:,} {part}" for part in PARTS)
    lines.append(f"\nErrors of {table.property} in {table.unit}; structures: {sizes}.")
    return "\n".join([*lines[:2], "", *lines[2:], ""])


def _read(root: Path, file: str) -> dict:
    if not (root / file).is_file():
        raise LookupError(f"results.yaml lists {file}, which does not exist; run it, or take it off the list")
    return json.loads((root / file).read_text(encoding="utf-8"))


def _shown(table: Table, parts: list[list[dict]], what: str) -> str:
    wanted = (table.dataset, table.property, table.unit)
    values = [m[what] for part in parts for m in part if (m["dataset"], m["property"], m["unit"]) == wanted]
    if len(values) != len(parts):
        raise LookupError(f"{table.title}: some listed result has no {what} of {wanted}")
    spread = f" ± {stdev(values):.3f}" if len(values) > 1 else ""
    return f"{mean(values):.3f}{spread}"
