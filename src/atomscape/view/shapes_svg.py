"""Balls and sticks of a view as pieces of SVG, each with the depth at which it is drawn.

Pieces are painted from back to front. Meshes are not drawn so: a picture with meshes is rendered to pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from atomscape.view.light import Theme, hex_of, lit, mix
from atomscape.view.project import View
from atomscape.view.scene import Balls, Sticks

Piece = tuple[float, str]
"""Depth (larger is nearer), and the SVG."""


class Gradients:
    """The gradients of one picture, each kept once under the name that is returned."""

    def __init__(self) -> None:
        self.made: dict[str, str] = {}

    def named(self, body: Callable[[str], str], key: str) -> str:
        """Name of the gradient ``key``; ``body(name)`` writes it if it is new."""
        name = f"g{len(self.made)}"
        if key not in self.made:
            self.made[key] = body(name)
            return name
        return self.made[key].split('"')[1]


def ball_pieces(balls: Balls, view: View, gradients: Gradients) -> Iterator[Piece]:
    """Each ball as a circle with the gradient of its colour."""
    at, radii = view(balls.positions), balls.radii * view.scale
    # Few shades per colour, so that few gradients suffice.
    levels = np.rint(at[:, 2] / (2 * view.reach * view.scale) * 10) / 10 * (2 * view.reach * view.scale)
    faded = view.faded(balls.colours, levels)
    edge = mix(view.faded(balls.colours * 0.45, levels), view.theme.outline, 0.25)
    for (x, y, z), r, fill, line in zip(at.tolist(), radii.tolist(), faded, edge, strict=True):
        name = gradients.named(lambda n, c=fill: _ball_gradient(n, c), f"ball {hex_of(fill)}")
        circle = f'cx="{x:.1f}" cy="{y:.1f}"'
        if balls.halo is not None:
            ring = hex_of(balls.halo)
            for grow, width, opacity in ((1.0, 0.5 * r, 0.16), (1.0, 0.2 * r, 0.95)):
                yield (
                    z - 0.2 * r,
                    f'<circle {circle} r="{grow * r + 0.1 * r:.1f}" fill="none" stroke="{ring}" '
                    f'stroke-width="{width:.1f}" opacity="{opacity}"/>',
                )
        width = np.clip(0.035 * r, 0.5, 1.4)
        yield (
            z,
            f'<circle {circle} r="{r:.1f}" fill="url(#{name})" stroke="{hex_of(line)}" '
            f'stroke-width="{width:.2f}"/>',
        )


def _ball_gradient(name: str, rgb: np.ndarray) -> str:
    """Shades along the line from the brightest point through the middle, as rings around that point."""
    stops = []
    for t in (0.0, 0.12, 0.3, 0.5, 0.7, 0.86, 1.0):
        # From the highlight (angle 0) to the rim opposite: what one sees going across the ball.
        p = np.array([-0.34, 0.42]) + t * np.array([1.0, -1.24]) / 1.593 * (1 + 0.54)
        z = np.sqrt(max(0.0, 1 - p @ p))
        n = np.array([*p, z]) / max(1.0, np.linalg.norm([*p, z]))
        stops.append(f'<stop offset="{t:.2f}" stop-color="{hex_of(lit(rgb, n, gloss=0.75))}"/>')
    return (
        f'<radialGradient id="{name}" cx="0.33" cy="0.29" r="0.77" fx="0.33" fy="0.29">'
        f"{''.join(stops)}</radialGradient>"
    )


def stick_pieces(sticks: Sticks, view: View, gradients: Gradients) -> Iterator[Piece]:
    """Each stick as a bar with the outline of a cylinder, shaded across."""
    a, b = view(sticks.starts), view(sticks.ends)
    z = 0.5 * (a[:, 2] + b[:, 2])
    colours = view.faded(sticks.colours, z)
    for i in range(len(a)):
        near, far = (a[i], b[i]) if a[i, 2] > b[i, 2] else (b[i], a[i])
        r = float(sticks.radii[i]) * view.scale
        yield float(z[i]), _stick(near, far, r, colours[i], view.theme, gradients)


def _stick(
    near: np.ndarray, far: np.ndarray, r: float, rgb: np.ndarray, theme: Theme, gradients: Gradients
) -> str:
    (x0, y0), (x1, y1) = near[:2].tolist(), far[:2].tolist()
    if r < 1.2:
        return (
            f'<path d="M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}" fill="none" stroke="{hex_of(rgb)}" '
            f'stroke-width="{max(2 * r, 0.9):.2f}" stroke-linecap="round"/>'
        )
    along = near[:2] - far[:2]
    length, depth = float(np.hypot(*along)), float(near[2] - far[2])
    whole = max(float(np.hypot(length, depth)), 1e-9)
    u = along / length if length > 1e-9 else np.array([1.0, 0.0])
    v = np.array([-u[1], u[0]])
    # The round ends of the bar are the cylinder's ends, seen from the side.
    arc = f"A{max(r * depth / whole, 0.01):.2f} {r:.2f} {np.degrees(np.arctan2(u[1], u[0])):.1f} 0 1"
    a, b, c, d = (" ".join(f"{k:.1f}" for k in p) for p in _corners(near, far, r * v))
    face = np.array([-u[0] * depth, u[1] * depth, length]) / whole
    name = _across(0.5 * (near + far)[:2], r * v, face, rgb, gradients)
    line = hex_of(mix(rgb * 0.45, theme.outline, 0.25))
    return (
        f'<path d="M{a}L{b}{arc} {c}L{d}{arc} {a}z" fill="url(#{name})" stroke="{line}" '
        f'stroke-width="{np.clip(0.06 * r, 0.3, 1):.2f}"/>'
    )


def _corners(near: np.ndarray, far: np.ndarray, side: np.ndarray) -> list[np.ndarray]:
    return [near[:2] + side, far[:2] + side, far[:2] - side, near[:2] - side]


def _across(
    middle: np.ndarray, side: np.ndarray, face: np.ndarray, rgb: np.ndarray, gradients: Gradients
) -> str:
    """Name of the gradient across a cylinder; ``face`` is the normal in its middle."""
    (ax, ay), (bx, by) = middle + side, middle - side
    frame = f'gradientUnits="userSpaceOnUse" x1="{ax:.1f}" y1="{ay:.1f}" x2="{bx:.1f}" y2="{by:.1f}"'
    # Pixels count downwards, normals upwards.
    sideways = np.array([side[0], -side[1], 0.0]) / np.linalg.norm(side)
    stops = []
    for t in (-1.0, -0.7, -0.35, 0.0, 0.35, 0.7, 1.0):
        shade = hex_of(lit(rgb, -t * sideways + np.sqrt(1 - t * t) * face, gloss=0.3))
        stops.append(f'<stop offset="{(t + 1) / 2:.2f}" stop-color="{shade}"/>')

    def body(name: str) -> str:
        return f'<linearGradient id="{name}" {frame}>{"".join(stops)}</linearGradient>'

    return gradients.named(body, f"stick {frame} {hex_of(rgb)}")
