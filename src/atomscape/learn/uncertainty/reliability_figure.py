"""Reliability as a figure (SVG): a row per property and method, coverage on the left, sizes on the right.

Left, the share of errors within each central interval against the share that should be: below the diagonal σ
is too small. Right, the root mean square error of rows with like σ against that σ, both logarithmic: where
points are heaped, or lie along no diagonal, σ says nothing about which errors are large.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from atomscape.learn.metrics import shown
from atomscape.learn.uncertainty.reliability import Reliability

SIDE, LEFT, TOP, GAP, WIDTH = 190, 62, 44, 96, 620
ROW = SIDE + 92
INK, GREY, LINE, MAIN = "#181b21", "#667080", "#d5dae2", "#2f5bd8"


def reliability_figure(judged: Sequence[Reliability]) -> str:
    """An SVG document.

    Raises
    ------
    ValueError
        There is nothing to draw.
    """
    if not judged:
        raise ValueError("no reliability to draw; judge an uncertainty on a part with labels first")
    height = ROW * len(judged)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="system-ui, sans-serif" font-size="11" fill="{INK}">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
    ]
    for k, one in enumerate(judged):
        parts += [f'<g transform="translate(0 {k * ROW})">', *_row(one), "</g>"]
    return "\n".join([*parts, "</svg>\n"])


def _row(r: Reliability) -> list[str]:
    title = f"{r.property}, {r.method}"
    factor, unit = shown(1.0, r.unit)
    rmv, rmse = [x * factor for x in r.rmv], [x * factor for x in r.bin_rmse]
    return [
        _text(LEFT, 20, title, size=13, weight=600),
        _text(
            LEFT, 35, f"{r.count:,} errors · area {r.area:.3f} · ENCE {r.ence:.2f} · ρ {r.spearman:.2f}", GREY
        ),
        f'<g transform="translate({LEFT} {TOP})">',
        *_coverage(r),
        "</g>",
        f'<g transform="translate({LEFT + SIDE + GAP} {TOP})">',
        *_sizes(rmv, rmse, unit),
        "</g>",
    ]


def _coverage(r: Reliability) -> list[str]:
    points = [(SIDE * p, SIDE * (1 - q)) for p, q in zip(r.expected, r.observed, strict=True)]
    parts = [*_frame("expected share within", "observed"), _diagonal()]
    for tick in (0, 0.5, 1):
        parts.append(_text(SIDE * tick, SIDE + 14, f"{tick:.0%}", GREY, anchor="middle"))
        parts.append(_text(-6, SIDE * (1 - tick) + 4, f"{tick:.0%}", GREY, anchor="end"))
    return [*parts, _path(points)]


def _sizes(rmv: Sequence[float], rmse: Sequence[float], unit: str) -> list[str]:
    present = [x for x in (*rmv, *rmse) if x > 0]
    low, high = math.log10(min(present)) - 0.08, math.log10(max(present)) + 0.08
    if high - low < 0.5:
        middle = (low + high) / 2
        low, high = middle - 0.25, middle + 0.25

    def place(x: float) -> float:
        return SIDE * (math.log10(max(x, 10**low)) - low) / (high - low)

    parts = [*_frame(f"σ ({unit})", "root mean square error"), _diagonal()]
    for tick in _ticks(low, high):
        parts.append(_text(place(tick), SIDE + 14, f"{tick:g}", GREY, anchor="middle"))
        parts.append(_text(-6, SIDE - place(tick) + 4, f"{tick:g}", GREY, anchor="end"))
    points = [(place(x), SIDE - place(y)) for x, y in zip(rmv, rmse, strict=True)]
    dots = [f'<circle cx="{x:.2f}" cy="{y:.2f}" r="3" fill="{MAIN}"/>' for x, y in points]
    return [*parts, _path(points), *dots]


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers between two powers of ten, fewer where there are many."""
    all_ticks = [
        m * 10.0**e for e in range(math.floor(low), math.ceil(high) + 1) for m in (1, 1.5, 2, 3, 5, 7)
    ]
    inside = [t for t in all_ticks if low <= math.log10(t) <= high]
    for every in (1, 2, 3):
        if len(inside[::every]) <= 5:
            return inside[::every]
    return [t for t in inside if round(math.log10(t), 6) % 1 == 0]


def _frame(below: str, beside: str) -> list[str]:
    return [
        f'<rect width="{SIDE}" height="{SIDE}" fill="none" stroke="{LINE}"/>',
        _text(SIDE / 2, SIDE + 30, below, GREY, anchor="middle"),
        f'<g transform="translate(-44 {SIDE / 2}) rotate(-90)">',
        _text(0, 0, beside, GREY, anchor="middle"),
        "</g>",
    ]


def _diagonal() -> str:
    return f'<path d="M0 {SIDE}L{SIDE} 0" stroke="{GREY}" stroke-dasharray="3 3" fill="none"/>'


def _path(points: Sequence[tuple[float, float]]) -> str:
    d = "L".join(f"{x:.2f} {y:.2f}" for x, y in points)
    return f'<path d="M{d}" stroke="{MAIN}" stroke-width="1.6" fill="none"/>'


def _text(
    x: float, y: float, text: str, colour: str = INK, anchor: str = "start", size: int = 11, weight: int = 400
) -> str:
    look = f'text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" fill="{colour}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {look}>{escape(text)}</text>'
