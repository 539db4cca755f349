"""The log of a simulation, read again: temperature and conserved energy over time, and their means."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from atomscape.shapes import Float
from atomscape.simulate.lines_figure import COLOURS, Curve, Panel, lines_figure

MOST = 1500
"""Points of a curve that are drawn; of more, every n-th."""

Log = dict[str, Float[np.ndarray, " lines"]]
"""Columns of a log by name."""

_TITLES = {
    "temperature_k": "temperature",
    "energy_ev": "potential energy",
    "conserved_ev": "conserved energy",
}


def read_log(path: str | Path) -> Log:
    """Columns of ``log.csv``."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    values = np.array([[float(x) for x in line.split(",")] for line in lines[1:]]).reshape(len(lines) - 1, -1)
    return dict(zip(lines[0].split(","), values.T, strict=True))


def summary(log: Log, structure: int, atoms: int) -> tuple[float, float | None]:
    """Mean temperature (K) of the second half, and drift of the conserved energy (meV/atom/ps)."""
    mine = log["structure"] == structure
    temperature, time = log["temperature_k"][mine], log["time_fs"][mine]
    later = temperature[len(temperature) // 2 :]
    if len(time) < 3:
        return float(later.mean()), None
    slope = np.polyfit(time / 1000, log["conserved_ev"][mine], 1)[0]
    return float(later.mean()), float(1000 * slope / atoms)


def log_figure(log: Log, doubts: Log | None = None) -> str:
    """An SVG: temperature, potential energy, conserved energy and, of an ensemble, its doubts over time."""
    panels = []
    for name, beside in (
        ("temperature_k", "K"),
        ("energy_ev", "energy − first, eV"),
        ("conserved_ev", "conserved − first, eV"),
    ):
        curves = []
        for k in np.unique(log["structure"]).astype(int):
            mine = log["structure"] == k
            every = -(-int(mine.sum()) // MOST)
            time, y = log["time_fs"][mine][::every] / 1000, log[name][mine][::every]
            y = y if name == "temperature_k" else y - y[0]
            curves.append(Curve(time.tolist(), y.tolist(), colour=COLOURS[k % len(COLOURS)]))
        title = _TITLES[name]
        panels.append(Panel(tuple(curves), "ps", beside, title, width=260))
    if doubts is not None:
        panels.append(_doubts(doubts))
    return lines_figure(panels)


def _doubts(doubts: Log) -> Panel:
    curves = []
    for k in np.unique(doubts["structure"]).astype(int):
        mine = doubts["structure"] == k
        every = -(-int(mine.sum()) // MOST)
        time, y = (doubts[name][mine][::every] for name in ("time_fs", "force_sigma_ev_per_a"))
        curves.append(Curve((time / 1000).tolist(), y.tolist(), colour=COLOURS[k % len(COLOURS)]))
    return Panel(tuple(curves), "ps", "largest σ of a force, eV/Å", "disagreement", width=260)
