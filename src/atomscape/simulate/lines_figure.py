"""Curves as a figure (SVG): panels side by side, each with its axes, lines and points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

INK, GREY, LINE = "#181b21", "#667080", "#d5dae2"
COLOURS = ("#2f5bd8", "#c4462d", "#2b8a57", "#8a5bc4", "#b07d12", "#4a5568")
HEIGHT, TOP, LEFT, BELOW, GAP = 230, 40, 62, 48, 84


@dataclass(frozen=True)
class Curve:
    """Points that a line joins, or that stand alone; curves of one name are one in the key."""

    x: Sequence[float]
    y: Sequence[float]
    name: str = ""
    points: bool = False
    colour: str = COLOURS[0]


@dataclass(frozen=True)
class Panel:
    """A pair of axes; ``ticks`` replace the numbers below by names, with a line at each."""

    curves: tuple[Curve, ...]
    below: str
    beside: str
    title: str = ""
    ticks: tuple[tuple[float, str], ...] = ()
    width: int = 320


def lines_figure(panels: Sequence[Panel]) -> str:
    """An SVG document.

    Raises
    ------
    ValueError
        A panel has no finite point.
    """
    width = sum(LEFT + p.width for p in panels) + GAP // 2 * len(panels)
    height = TOP + HEIGHT + BELOW
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="system-ui, sans-serif" font-size="11" fill="{INK}">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    x = LEFT
    for panel in panels:
        parts += [f'<g transform="translate({x} {TOP})">', *_panel(panel), "</g>"]
        x += panel.width + LEFT + GAP // 2
    return "\n".join([*parts, "</svg>\n"])


def _panel(p: Panel) -> list[str]:
    known = [
        (float(x), float(y))
        for c in p.curves
        for x, y in zip(c.x, c.y, strict=True)
        if math.isfinite(x) and math.isfinite(y)
    ]
    if not known:
        raise ValueError(f"nothing to draw in {p.title or p.beside!r}: no point is finite")
    xs, ys = _range([x for x, _ in known], bool(p.ticks)), _range([y for _, y in known])
    place = lambda x, y: (  # noqa: E731
        p.width * (x - xs[0]) / (xs[1] - xs[0]),
        HEIGHT * (1 - (y - ys[0]) / (ys[1] - ys[0])),
    )
    parts = [f'<rect width="{p.width}" height="{HEIGHT}" fill="none" stroke="{LINE}"/>']
    parts.append(_text(0, -14, p.title, INK, size=13, weight=600))
    for value, name in p.ticks or [(t, f"{t:g}") for t in round_numbers(*xs)]:
        x, _ = place(value, ys[0])
        if p.ticks:
            parts.append(f'<path d="M{x:.2f} 0V{HEIGHT}" stroke="{LINE}"/>')
        parts.append(_text(x, HEIGHT + 14, "Γ" if name == "G" else name, GREY, "middle"))
    names = [f"{value:g}" for value in round_numbers(*ys)]
    for value in round_numbers(*ys):
        _, y = place(xs[0], value)
        parts.append(f'<path d="M0 {y:.2f}H-4" stroke="{LINE}"/>')
        parts.append(_text(-7, y + 4, f"{value:g}", GREY, "end"))
    if ys[0] < 0 < ys[1]:
        y = place(0, 0)[1]
        parts.append(f'<path d="M0 {y:.2f}H{p.width}" stroke="{GREY}" stroke-dasharray="3 3"/>')
    for c in p.curves:
        parts += _curve([place(x, y) for x, y in zip(c.x, c.y, strict=True)], c)
    parts.append(_text(p.width / 2, HEIGHT + 34, p.below, GREY, "middle"))
    aside = min(LEFT - 5, max(48, 15 + 6.2 * max(map(len, names), default=0)))  # of the longest number
    turned = f'<g transform="translate(-{aside:g} {HEIGHT / 2}) rotate(-90)">'
    return [*parts, turned, _text(0, 0, p.beside, GREY, "middle"), "</g>", *_key(p)]


def _curve(points: Sequence[tuple[float, float]], c: Curve) -> list[str]:
    if c.points:
        return [f'<circle cx="{x:.2f}" cy="{y:.2f}" r="3" fill="{c.colour}"/>' for x, y in points]
    d = "L".join(f"{x:.2f} {y:.2f}" for x, y in points if math.isfinite(y))
    return [f'<path d="M{d}" stroke="{c.colour}" stroke-width="1.4" fill="none"/>']


def _key(p: Panel) -> list[str]:
    names = {c.name: c.colour for c in p.curves if c.name}
    parts = []
    for k, (name, colour) in enumerate(names.items()):
        parts.append(f'<circle cx="{p.width - 8}" cy="{12 + 14 * k}" r="3" fill="{colour}"/>')
        parts.append(_text(p.width - 15, 16 + 14 * k, name, GREY, "end"))
    return parts


def _range(values: Sequence[float], tight: bool = False) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = 0.0 if tight else 0.05 * (high - low)
    if high - low < 1e-12 * max(1.0, abs(high)):
        room = max(1e-9, 0.05 * abs(high))
    return low - room, high + room


def round_numbers(low: float, high: float) -> list[float]:
    """About five round numbers between two."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough)
    first = math.ceil(low / step)
    return [round(k * step, 12) for k in range(first, math.floor(high / step) + 1)]


def _text(
    x: float, y: float, text: str, colour: str, anchor: str = "start", size: int = 11, weight: int = 400
) -> str:
    look = f'text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" fill="{colour}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {look}>{escape(text)}</text>'
