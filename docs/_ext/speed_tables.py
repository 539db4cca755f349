"""Tables and pictures of speed, from the lines that full runs of the benchmarks left in ``results.jsonl``.

One line is one comparison; of several with the same case and peer the last one counts. A table has a line per
case and a column per peer with the factor by which it is slower than we are.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

COLOURS = ("#2a78d6", "#d6602a", "#2a9d62", "#9a4fc4", "#b08900", "#777777")
GREY = "#888888"
UNITS = {
    "s": (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9)),
    "B": (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)),
}


@dataclass(frozen=True)
class Comparison:
    """One case, and its row for each peer."""

    case: str
    rows: dict[str, dict]

    @property
    def newest(self) -> dict:
        """The row measured last; ours, limit and note are taken from it."""
        return max(self.rows.values(), key=lambda row: row["date"])


@dataclass(frozen=True)
class Speed:
    """What is known about one question, of the cases that contain a text."""

    question: str
    comparisons: tuple[Comparison, ...]
    machines: tuple[str, ...]

    @property
    def peers(self) -> list[str]:
        """Names of all peers, in order of appearance."""
        return list(dict.fromkeys(peer for c in self.comparisons for peer in c.rows))


def read(file: Path, question: str, contains: str = "") -> Speed:
    """Read the rows of one question; none where the file, or the question in it, is missing."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    found: dict[str, dict[str, dict]] = {}
    machines: dict[str, str] = {}
    for row in map(json.loads, lines):
        if row["question"] != question:
            continue
        if row["case"].startswith("machine, "):
            threads = row["case"].removeprefix("machine, ")
            if threads in contains or "thread" not in contains:
                machines[threads] = f"{threads}: {row['note']}"
            continue
        if contains not in row["case"] or row["case"].startswith("check "):
            continue
        found.setdefault(row["case"], {})[row["peer"]] = row
    comparisons = tuple(Comparison(case, rows) for case, rows in found.items())
    return Speed(question, comparisons, tuple(machines.values()))


def missing(question: str) -> str:
    """What stands in place of a table that has not been measured."""
    return (
        f"*Not measured in this copy:* `python benchmarks/{question}.py` measures it and adds it to "
        "`benchmarks/results.jsonl`, from which this page is made."
    )


def markdown(speed: Speed, contains: str = "") -> str:
    """One table: our value, its share of the machine's limit, and each peer's value over ours."""
    limited = any(c.newest.get("share") is not None for c in speed.comparisons)
    head = ["case", "ours", *(["of the limit"] if limited else []), *speed.peers, "error", "served by"]
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 2) + "---|"]
    reasons: dict[str, None] = {}
    for c in speed.comparisons:
        new = c.newest
        cells = [_label(c.case, contains), shown(new["ours_s"], new.get("unit", "s"))]
        if limited:
            cells.append("" if new.get("share") is None else f"{100 * new['share']:.0f} %")
        for peer in speed.peers:
            row = c.rows.get(peer)
            cells.append("" if row is None or row["ratio"] is None else f"{row['ratio']:.3g} ×")
            if row is not None and row["ratio"] is None and row["error"]:
                reasons[f"{peer}: {row['error']}"] = None
        errors = [row["error"] for row in c.rows.values() if row["ratio"] is not None and row["error"]]
        cells += [max(errors, key=_size, default=""), new.get("note", "")]
        lines.append("| " + " | ".join([cells[0], *map(_unbroken, cells[1:-1]), cells[-1]]) + " |")
    return "\n".join([*lines, "", *[f"- {reason}" for reason in reasons], "", _origin(speed)])


def _origin(speed: Speed) -> str:
    """Where, when and from which commit; the machine's limits."""
    rows = [c.newest for c in speed.comparisons]
    machines = ", ".join(dict.fromkeys(row["machine"] for row in rows))
    commits = ", ".join(dict.fromkeys(row["commit"] for row in rows))
    days = ", ".join(dict.fromkeys(row["date"][:10] for row in rows))
    limits = "".join(f" Limits of the machine, {text}." for text in speed.machines)
    return f"Measured on {machines}; commit {commits}, {days}.{limits}"


def shown(value: float | None, unit: str) -> str:
    """Three digits in the unit that suits a time or a size."""
    if value is None:
        return "–"
    name, size = next((u for u in UNITS[unit] if value >= u[1]), UNITS[unit][-1])
    return f"{value / size:.3g} {name}"


def picture(speed: Speed, contains: str = "") -> str:
    """Draw the peers' values over ours, case by case, on a logarithmic axis; SVG to stand in a page."""
    drawn = [c for c in speed.comparisons if any(row["ratio"] for row in c.rows.values())]
    figure = Figure(figsize=(8.0, 0.8 + 0.24 * len(drawn)), layout="constrained")
    axes = figure.subplots()
    for k, peer in enumerate(speed.peers):
        points = [(r["ratio"], y) for y, c in enumerate(drawn) if (r := c.rows.get(peer)) and r["ratio"]]
        if points:
            x, y = zip(*points, strict=True)
            marker = "osDv^P"[k % 6]
            axes.plot(x, y, marker, color=COLOURS[k % len(COLOURS)], markersize=5, label=peer)
    axes.set_xscale("log")
    axes.axvline(1, color=GREY, linewidth=1)
    axes.set_yticks(range(len(drawn)), [_label(c.case, contains) for c in drawn])
    axes.set_ylim(len(drawn) - 0.5, -0.5)
    axes.set_xlabel("peer / ours: right of the line we need less")
    _ticks(axes, [r["ratio"] for c in drawn for r in c.rows.values() if r["ratio"]])
    _grey(figure, axes)
    text = StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": speed.question}):
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    return text.getvalue()[text.getvalue().index("<svg") :]


def _ticks(axes, ratios: Sequence[float]) -> None:
    """1, 2, 5 in each decade, as plain numbers."""
    low, high = min([*ratios, 0.9]), max([*ratios, 1.2])
    ticks = [m * 10.0**e for e in range(-4, 5) for m in (1, 2, 5)]
    axes.set_xticks([t for t in ticks if low / 1.5 <= t <= high * 1.5])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} ×")
    axes.minorticks_off()


def _grey(figure: Figure, axes) -> None:
    """Colours that can be read on a light and on a dark page."""
    axes.grid(axis="x", color=GREY, alpha=0.3)
    axes.tick_params(colors=GREY, labelsize=8)
    axes.xaxis.label.set_color(GREY)
    for spine in axes.spines.values():
        spine.set_visible(False)
    figure.legend(loc="outside upper left", ncols=3, fontsize=8, frameon=False, labelcolor=GREY)


def _unbroken(cell: str) -> str:
    """Keep a number and its unit on one line."""
    return cell.replace(" ", "\N{NO-BREAK SPACE}").replace("-", "\N{NON-BREAKING HYPHEN}")


def _label(case: str, contains: str) -> str:
    return case.replace(contains, "").strip(", ").replace(", ,", ",") if contains else case


def _size(error: str) -> float:
    try:
        return float(error.split()[0])
    except ValueError:
        return float("inf")
