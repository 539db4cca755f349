"""The gain matrix as a heat map: datasets and their figures down, company across, one panel per encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from atomscape.recipes._alignment_data import TASKS
from atomscape.recipes._figure import figure_of

FULL = 30.0
"""Per cent at which a colour is full."""


def rows_of(gains: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Figures that gains are told of, (dataset, property), in the order of the tasks."""
    there = {(g["task"], g["property"]) for g in gains}
    return [(t, p) for t, task in TASKS.items() for p in task.labels if (t, p) in there]


def columns_of(gains: Sequence[Mapping[str, Any]]) -> list[str]:
    """Companies, datasets first in the order of the tasks."""
    there = {g["company"] for g in gains}
    return [*(t for t in TASKS if t in there), *sorted(there - TASKS.keys())]


def label(task: str, property: str = "") -> str:
    """How a dataset or one of its figures is called."""
    title = TASKS[task].title if task in TASKS else task
    if not property or len(TASKS[task].labels) == 1:
        return title
    return f"{title} {property}"


def told(mean: float, half_width: float | None) -> str:
    """A gain in per cent, ``+12 ± 3``."""
    return f"{mean:+.0f}" + ("" if half_width is None else f" ± {half_width:.{0 if half_width >= 1 else 1}f}")


def draw(gains: Sequence[Mapping[str, Any]], path: Path | None = None) -> Any:
    """Heat map with numbers; grey ones are too uncertain to conclude from. Written to ``path`` (.png, .svg).

    Raises
    ------
    ImportError
        matplotlib is not installed.
    """
    encoders = list(dict.fromkeys(g["encoder"] for g in gains))
    rows, columns = rows_of(gains), columns_of(gains)
    size = (1.6 + 1.35 * len(columns) * len(encoders), 1.3 + 0.55 * len(rows))
    fig = figure_of(size, path)
    axes = fig.subplots(1, len(encoders), squeeze=False, sharey=True)[0]
    for ax, encoder in zip(axes, encoders, strict=True):
        _panel(ax, [g for g in gains if g["encoder"] == encoder], rows, columns)
        ax.set_title(encoder, fontsize=11)
    fig.tight_layout()
    if path is not None:
        for kind in ("png", "svg"):
            fig.savefig(path.with_suffix(f".{kind}"), dpi=150)
    return fig


def _panel(
    ax: Any, gains: Sequence[Mapping[str, Any]], rows: list[tuple[str, str]], columns: list[str]
) -> None:
    values = np.full((len(rows), len(columns)), np.nan)
    for g in gains:
        i, j = rows.index((g["task"], g["property"])), columns.index(g["company"])
        values[i, j] = g["mean"]
        sure = g["verdict"] != "too small to conclude"
        dark = sure and isfinite(g["mean"]) and abs(g["mean"]) > 0.7 * FULL
        ax.text(
            *(j, i, told(g["mean"], g["half_width"])),
            ha="center",
            va="center",
            fontsize=9,
            color="white" if dark else "0.1" if sure else "0.6",
        )
        if not sure:
            values[i, j] = 0.0
    ax.imshow(values, cmap="RdBu", vmin=-FULL, vmax=FULL, aspect="auto")
    ax.set_facecolor("0.93")
    ax.set_xticks(range(len(columns)), [f"{'with' if c in TASKS else 'after'} {label(c)}" for c in columns])
    ax.set_yticks(range(len(rows)), [label(*row) for row in rows])
    ax.tick_params(length=0, labelsize=9)
    ax.spines[:].set_visible(False)
