"""Light and air of a picture: how bright a surface is, how far things fade, which grounds there are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atomscape.find import suggest
from atomscape.shapes import Float, Shaped
from atomscape.view.elements import colour

LIGHT = np.array([-0.42, 0.58, 0.70]) / np.linalg.norm([-0.42, 0.58, 0.70])
"""Direction to the light: from above, the left and the viewer's side."""

FOG = 0.45
"""How much of the ground is in the colour of the farthest things."""


@dataclass(frozen=True, eq=False)
class Theme:
    """Colours of everything that is no part of the scene."""

    ground: Shaped[np.ndarray, " 3"]
    ink: Shaped[np.ndarray, " 3"]
    muted: Shaped[np.ndarray, " 3"]
    line: Shaped[np.ndarray, " 3"]
    outline: Shaped[np.ndarray, " 3"]


THEMES = {
    "light": Theme(*(colour(c) for c in ("ffffff", "181b21", "667080", "d5dae2", "20242c"))),
    "dark": Theme(*(colour(c) for c in ("14171d", "e9ebef", "98a2b1", "3a424f", "05070a"))),
}


def theme_named(name: str) -> Theme:
    """The theme ``"light"`` or ``"dark"``.

    Raises
    ------
    LookupError
        There is no such theme.
    """
    if name not in THEMES:
        raise LookupError(f"no theme {name!r}{suggest(name, list(THEMES))} Known: {', '.join(THEMES)}.")
    return THEMES[name]


def mix(
    a: Shaped[np.ndarray, "*n 3"], b: Shaped[np.ndarray, "*m 3"], share: float | Float[np.ndarray, "*k"]
) -> Float[np.ndarray, "*l 3"]:
    """Colour between ``a`` (share 0) and ``b`` (share 1)."""
    s = np.asarray(share, dtype=np.float64)[..., None]
    return a * (1 - s) + b * s


def lit(
    colours: Shaped[np.ndarray, "*n 3"], normals: Float[np.ndarray, "*m 3"], gloss: float = 0.35
) -> Float[np.ndarray, "*k 3"]:
    """Colours of surfaces with unit normals (view frame: x right, y up, z to the viewer), 0 … 255.

    Soft light from all sides, half-Lambert light from one, and a Blinn highlight of strength ``gloss``.
    """
    wrapped = np.clip(0.5 + 0.5 * (normals @ LIGHT), 0, 1) ** 1.4
    half = LIGHT + np.array([0.0, 0.0, 1.0])
    shine = gloss * np.clip(normals @ (half / np.linalg.norm(half)), 0, 1) ** 42
    bright = 0.40 + 0.68 * wrapped
    rim = 1 - 0.22 * np.clip(1 - normals[..., 2], 0, 1) ** 2
    return np.clip(mix(colours * (bright * rim)[..., None], np.full(3, 255.0), shine), 0, 255)


def hex_of(rgb: Shaped[np.ndarray, " 3"]) -> str:
    """``#rrggbb``."""
    r, g, b = np.rint(np.clip(rgb, 0, 255)).astype(int).tolist()
    return f"#{r:02x}{g:02x}{b:02x}"
