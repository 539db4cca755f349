"""A scene as a picture: SVG, written without a browser or a plotting library.

Balls and sticks are drawn as lines and gradients, sharp at every size. Where there are surfaces, the picture
is rendered to pixels and the texts are laid over it.

Layers that exclude one another, such as ranked proposals, become panels side by side, each with its name and
its note.
"""

from __future__ import annotations

import base64
import math
import os
from html import escape
from pathlib import Path

import numpy as np

from atomscape.view.elements import colour
from atomscape.view.light import Theme, hex_of, theme_named
from atomscape.view.png import png
from atomscape.view.project import View
from atomscape.view.raster import rendered
from atomscape.view.scene import Label, Layer, Scene
from atomscape.view.shapes_svg import Gradients, Piece, ball_pieces, stick_pieces

FONT = "Inter,'Segoe UI',Roboto,'Helvetica Neue','Noto Sans','Liberation Sans',Arial,sans-serif"
MOST_PANELS = 6
SHARPNESS = 1.25
"""Rendered pixels per pixel of the picture."""
ACCENT = colour("2f5bd8")


def write_picture(
    scene: Scene,
    path: str | os.PathLike[str],
    width: int = 900,
    height: int = 640,
    theme: str = "light",
    panels: int = MOST_PANELS,
) -> Path:
    """Write the scene as it is first seen to an SVG file, and return its path.

    Parameters
    ----------
    width, height
        Size in pixels of the whole picture.
    theme
        ``"light"`` or ``"dark"``.
    panels
        At most so many layers of the scene's group side by side; 1 shows the first alone.

    Raises
    ------
    ValueError
        The file's name does not end in ``.svg``, or the size is not positive.
    LookupError
        There is no such theme.
    OSError
        The file cannot be written.
    """
    path = Path(path)
    if path.suffix != ".svg":
        raise ValueError(f"{path}: a picture is written as .svg; a page (.html) by atomscape.view.page")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(svg(scene, width, height, theme, panels), encoding="utf-8")
    return path


def svg(
    scene: Scene, width: int = 900, height: int = 640, theme: str = "light", panels: int = MOST_PANELS
) -> str:
    """The picture as text; see ``write_picture``.

    Raises
    ------
    ValueError
        The size is not positive.
    LookupError
        There is no such theme.
    """
    if min(width, height, panels) < 1:
        raise ValueError(
            f"a picture of {width} × {height} pixels and {panels} panels; all have to be positive"
        )
    colours = theme_named(theme)
    shown = panels_of(scene, panels)
    top = 30.0 + 26.0 * bool(scene.title) + 18.0 * bool(scene.note)
    columns = _columns(len(shown), width, height - top)
    rows = math.ceil(len(shown) / columns)
    w, h = width / columns, (height - top) / rows
    gradients, body = Gradients(), [_heading(scene, colours)]
    scale = _scale(scene, shown, w - 36, h - 36 - 40 * (len(shown) > 1))
    for k, (name, layers) in enumerate(shown):
        x, y = (k % columns) * w, top + (k // columns) * h
        body.append(_panel(scene, name, layers, (x, y, w, h), scale, colours, gradients, k))
    ground = hex_of(colours.ground)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="{FONT}">\n<title>{escape(scene.title)}</title>\n'
        f"<defs>{''.join(gradients.made.values())}</defs>\n"
        f'<rect width="{width}" height="{height}" fill="{ground}"/>\n{"".join(body)}\n</svg>\n'
    )


def panels_of(scene: Scene, most: int) -> list[tuple[str, tuple[Layer, ...]]]:
    """Panels of a picture: the name of the layer that is special in each, and the layers that are seen.

    Where there is one panel, nothing is special: the name is empty.
    """
    groups = scene.groups()
    name = next((g for g, layers in groups.items() if len(layers) > 1), "")
    if not name or most == 1:
        return [("", scene.seen())]
    return [(layer.name, scene.showing(layer.name).seen()) for layer in groups[name][:most]]


def _columns(n: int, width: float, height: float) -> int:
    """Columns that give the largest square panels."""
    return max(range(1, n + 1), key=lambda c: (min(width / c, height / math.ceil(n / c)), -c))


def _scale(scene: Scene, shown: list[tuple[str, tuple[Layer, ...]]], width: float, height: float) -> float:
    """Pixels per Å with which every panel's content fits."""
    flat = _seen(shown) @ scene.turn.T
    low, high = flat.min(0), flat.max(0)
    extent = np.maximum(high - low, 1.6)
    return float(min(width / extent[0], height / extent[1], 120.0))


def _seen(shown: list[tuple[str, tuple[Layer, ...]]]) -> np.ndarray:
    return np.concatenate([layer.points() for _, layers in shown for layer in layers])


def _panel(
    scene: Scene,
    name: str,
    layers: tuple[Layer, ...],
    box: tuple[float, float, float, float],
    scale: float,
    theme: Theme,
    gradients: Gradients,
    number: int,
) -> str:
    x, y, w, h = box
    caption = 40.0 * bool(name)
    points = np.concatenate([layer.points() for layer in layers]) @ scene.turn.T
    centre = 0.5 * (points.min(0) + points.max(0)) @ scene.turn
    reach = max(float(np.abs(points[:, 2] - points[:, 2].mean()).max()), 0.8)
    view = View(scene.turn, centre, scale, (x + w / 2, y + (h - caption) / 2), reach, theme)
    if any(layer.meshes for layer in layers):
        body = _pixels(layers, view, (x, y, w, h - caption))
    else:
        body = _drawn(layers, view, gradients)
    labels = "".join(_label(label, view) for layer in layers for label in layer.labels)
    special = next((layer for layer in layers if layer.name == name), None)
    return f"<g>{body}</g>{labels}{_caption(special, number, box, theme) if special else ''}"


def _drawn(layers: tuple[Layer, ...], view: View, gradients: Gradients) -> str:
    """Balls and sticks as SVG, from back to front."""
    pieces: list[Piece] = []
    for layer in layers:
        for balls in layer.balls:
            pieces += ball_pieces(balls, view, gradients)
        for sticks in layer.sticks:
            pieces += stick_pieces(sticks, view, gradients)
    pieces.sort(key=lambda piece: piece[0])
    return "\n".join(text for _, text in pieces)


def _pixels(layers: tuple[Layer, ...], view: View, box: tuple[float, float, float, float]) -> str:
    """Everything rendered, as an image inside the SVG."""
    x, y, w, h = box
    fine = view.enlarged(SHARPNESS, (x, y))
    pixels = rendered(layers, fine, round(w * SHARPNESS), round(h * SHARPNESS))
    data = base64.b64encode(png(pixels)).decode("ascii")
    return (
        f'<image x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" '
        f'href="data:image/png;base64,{data}"/>'
    )


def _label(label: Label, view: View) -> str:
    (x, y, _), theme = view(label.position[None])[0].tolist(), view.theme
    text = escape(label.text)
    if label.quiet:
        return (
            f'<text x="{x:.1f}" y="{y + 5:.1f}" text-anchor="middle" font-size="15" font-style="italic" '
            f'font-family="Georgia,serif" fill="{hex_of(theme.muted)}">{text}</text>'
        )
    w = 7.0 * len(label.text) + 16
    return (
        f'<rect x="{x - w / 2:.1f}" y="{y - 11:.1f}" width="{w:.1f}" height="22" rx="11" '
        f'fill="{hex_of(theme.ground)}" fill-opacity="0.9" stroke="{hex_of(theme.line)}"/>'
        f'<text x="{x:.1f}" y="{y + 4.3:.1f}" text-anchor="middle" font-size="12.5" font-weight="600" '
        f'fill="{hex_of(theme.ink)}">{text}</text>'
    )


def _caption(layer: Layer, number: int, box: tuple[float, float, float, float], theme: Theme) -> str:
    x, y, w, h = box
    note = (
        f'<text x="{x + w / 2:.1f}" y="{y + h - 14:.1f}" text-anchor="middle" font-size="12.5" '
        f'fill="{hex_of(theme.muted)}">{escape(layer.note)}</text>'
        if layer.note
        else ""
    )
    fill = hex_of(ACCENT if number == 0 and theme is not None else theme.ink)
    return (
        f'<text x="{x + w / 2:.1f}" y="{y + h - 32:.1f}" text-anchor="middle" font-size="14" '
        f'font-weight="600" fill="{fill}">{escape(layer.name)}</text>{note}'
    )


def _heading(scene: Scene, theme: Theme) -> str:
    title = (
        f'<text x="24" y="38" font-size="19" font-weight="600" fill="{hex_of(theme.ink)}">'
        f"{escape(scene.title)}</text>"
        if scene.title
        else ""
    )
    y = 58 if scene.title else 34
    note = (
        f'<text x="24" y="{y}" font-size="13" fill="{hex_of(theme.muted)}">{escape(scene.note)}</text>'
        if scene.note
        else ""
    )
    return title + note
