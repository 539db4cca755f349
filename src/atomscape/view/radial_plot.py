"""Radial functions as a figure: one panel per path, its channels, and what they share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from atomscape.shapes import Float
from atomscape.view.filters import NEAREST, RadialFunction, filter_slice

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAIN, CHANNEL, KNOWN = "#2f5bd8", "#98a1ae", "#181b21"


def figure_of(width: float, height: float) -> Figure:
    """An empty figure, in inches.

    Raises
    ------
    ImportError
        matplotlib is not installed.
    """
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError("plots need matplotlib: pip install 'atomscape[plot]'") from error
    return pyplot.figure(figsize=(width, height), layout="constrained")


def radial_plot(
    functions: Sequence[RadialFunction],
    known: Mapping[str, Float[np.ndarray, " points"]] | None = None,
    columns: int = 4,
) -> Figure:
    """Draw radial functions, a panel per path, a block of rows per layer.

    Distances at which no atoms are (``filters.NEAREST``) are grey, and do not count for the scale.

    Parameters
    ----------
    known
        Name of a path → the function it should be, at the same distances: drawn dashed.

    Raises
    ------
    ValueError
        There are no functions.
    ImportError
        matplotlib is not installed.
    """
    if not functions:
        raise ValueError("no radial functions to draw; radial_functions(encoder) has those of a network")
    layers = sorted({f.layer for f in functions})
    blocks = [[f for f in functions if f.layer == layer] for layer in layers]
    columns = min(columns, max(map(len, blocks)))
    rows = [math.ceil(len(b) / columns) for b in blocks]
    figure = figure_of(2.35 * columns, 1.75 * sum(rows) + 0.3)
    first = 0
    for layer, block, n in zip(layers, blocks, rows, strict=True):
        for k, function in enumerate(block):
            ax = figure.add_subplot(sum(rows), columns, (first + k // columns) * columns + k % columns + 1)
            _panel(ax, function, (known or {}).get(function.name))
            ax.set_title(f"{function.name}", fontsize=10, fontweight="bold", loc="left", pad=4)
            if k == 0:
                ax.set_ylabel(f"layer {layer}\nR(r)", fontsize=8.5)
        first += n
    return figure


def _panel(ax, function: RadialFunction, known: np.ndarray | None) -> None:
    shape, share = function.main()
    met = function.r >= min(NEAREST, 0.5 * function.r[-1])
    top = 1.15 * max(float(np.abs(function.values[met]).max()), 1e-12)
    if known is not None:
        top = max(top, 1.15 * float(np.nanmax(np.abs(known[met]))))
    ax.set_ylim(-top, top)
    ax.axvspan(0, NEAREST, color="#f0f2f5", lw=0, zorder=-1)
    ax.axhline(0, color="#d5dae2", lw=0.8, zorder=0)
    ax.plot(function.r, function.values, color=CHANNEL, lw=0.5, alpha=0.4)
    ax.plot(function.r, shape, color=MAIN, lw=1.8)
    if known is not None:
        ax.plot(function.r, known, color=KNOWN, lw=1.2, ls=(0, (4, 2)))
    ax.text(0.97, 0.94, f"{share:.0%}", ha="right", va="top", fontsize=8, color=MAIN, transform=ax.transAxes)
    ax.set_xlim(0, function.r[-1])
    ax.tick_params(labelsize=8, length=2.5, color="#98a1ae", labelcolor="#667080")
    ax.set_xlabel("r (Å)", fontsize=8.5, color="#667080", labelpad=1)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color("#c8ced7")


def slice_plot(functions: Sequence[RadialFunction], m: int = 0, columns: int = 4) -> Figure:
    """Draw filters R(r) Y_lm in the plane x z, the polar axis z upwards; orders above l are left out.

    Shown is what lies between ``filters.NEAREST`` and the cutoff, each filter on a scale of its own.

    Raises
    ------
    ValueError
        No function has a filter of that order.
    ImportError
        matplotlib is not installed.
    """
    drawn = [f for f in functions if abs(m) <= f.path.l2]
    if not drawn:
        raise ValueError(f"no filter of order m = {m} among {len(functions)} radial functions")
    columns = min(columns, len(drawn))
    rows = math.ceil(len(drawn) / columns)
    figure = figure_of(2.2 * columns, 2.35 * rows)
    for k, function in enumerate(drawn):
        ax = figure.add_subplot(rows, columns, k + 1)
        x, values = filter_slice(function, m)
        r = np.hypot(*np.meshgrid(x, x))
        shown = np.where((r >= NEAREST) & (r <= x[-1]), values, np.nan)
        top = max(float(np.nanmax(np.abs(shown))), 1e-300)
        reach = (x[0], x[-1], x[0], x[-1])
        look = {"cmap": "RdBu_r", "extent": reach, "origin": "lower", "interpolation": "nearest"}
        ax.imshow(shown, vmin=-top, vmax=top, **look)
        for edge in (NEAREST, x[-1]):
            turn = np.linspace(0, 2 * np.pi, 181)
            ax.plot(edge * np.cos(turn), edge * np.sin(turn), color="#c8ced7", lw=0.8)
        ax.set_aspect("equal")
        ax.set_title(f"{function.name}", fontsize=10, fontweight="bold", pad=4)
        ax.set_axis_off()
    return figure
