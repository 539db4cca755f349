"""Balls, sticks and meshes of a view as pieces of SVG, each with the depth at which it is drawn.

Orthographic, in the view's frame: x right, y up, z to the viewer, in pixels. Pieces are painted from back to
front. A mesh that is seen through is painted as one body: its far side, what is inside, its near side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from atomscape.shapes import Float, Shaped
from atomscape.view.light import FOG, Theme, hex_of, lit, mix
from atomscape.view.scene import Balls, Mesh, Sticks

Piece = tuple[float, str]
"""Depth (larger is nearer), and the SVG."""


@dataclass(frozen=True, eq=False)
class View:
    """From Å to pixels: turn about ``centre``, scale, move to ``origin`` (pixels from the top left corner).

    ``reach`` is the radius in Å within which everything lies; it sets how far things fade.
    """

    turn: Float[np.ndarray, "3 3"]
    centre: Float[np.ndarray, " 3"]
    scale: float
    origin: tuple[float, float]
    reach: float
    theme: Theme

    def __call__(self, points: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, "points 3"]:
        """Pixels to the right and downwards, and height towards the viewer (pixels)."""
        r = (points - self.centre) @ self.turn.T * self.scale
        return np.stack([self.origin[0] + r[:, 0], self.origin[1] - r[:, 1], r[:, 2]], 1)

    def faded(self, colours: Shaped[np.ndarray, "n 3"], z: Float[np.ndarray, " n"]) -> np.ndarray:
        """Colours with the ground mixed in, the more the farther."""
        far = np.clip(0.5 - z / (2 * self.reach * self.scale), 0, 1)
        return mix(colours, self.theme.ground, FOG * far**1.3)


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
    along = near[:2] - far[:2]
    length, depth = float(np.hypot(*along)), float(near[2] - far[2])
    u = along / length if length > 1e-9 else np.array([1.0, 0.0])
    v = np.array([-u[1], u[0]])
    squash = max(r * depth / max(np.hypot(length, depth), 1e-9), 0.01)
    if r < 1.2:
        return (
            f'<path d="M{near[0]:.1f} {near[1]:.1f}L{far[0]:.1f} {far[1]:.1f}" fill="none" '
            f'stroke="{hex_of(rgb)}" stroke-width="{max(2 * r, 0.9):.2f}" stroke-linecap="round"/>'
        )
    turned = float(np.degrees(np.arctan2(u[1], u[0])))
    corners = [p + s * r * v for p, s in ((near, 1), (far, 1), (far, -1), (near, -1)) for p in (p[:2],)]
    arc = f"A{squash:.2f} {r:.2f} {turned:.1f} 0"
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = corners
    path = f"M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}{arc} 1 {x2:.1f} {y2:.1f}L{x3:.1f} {y3:.1f}{arc} 1 {x0:.1f} {y0:.1f}z"
    middle = 0.5 * (near[:2] + far[:2])
    (ax, ay), (bx, by) = middle + r * v, middle - r * v
    frame = f'gradientUnits="userSpaceOnUse" x1="{ax:.1f}" y1="{ay:.1f}" x2="{bx:.1f}" y2="{by:.1f}"'
    # Normals across: v and u are in pixels, whose y points down.
    face = np.array([-u[0] * depth, u[1] * depth, length]) / max(np.hypot(length, depth), 1e-9)
    stops = []
    for t in (-1.0, -0.7, -0.35, 0.0, 0.35, 0.7, 1.0):
        n = -t * np.array([v[0], -v[1], 0.0]) + np.sqrt(1 - t * t) * face
        stops.append(f'<stop offset="{(t + 1) / 2:.2f}" stop-color="{hex_of(lit(rgb, n, gloss=0.3))}"/>')
    key = f"stick {frame} {hex_of(rgb)}"
    name = gradients.named(
        lambda k: f'<linearGradient id="{k}" {frame}>{"".join(stops)}</linearGradient>', key
    )
    line = hex_of(mix(rgb * 0.45, theme.outline, 0.25))
    return f'<path d="{path}" fill="url(#{name})" stroke="{line}" stroke-width="{np.clip(0.06 * r, 0.3, 1):.2f}"/>'


def mesh_pieces(mesh: Mesh, view: View) -> Iterator[Piece]:
    """Each connected part of a mesh as two groups of triangles: the side turned away, and the near side."""
    if not len(mesh.triangles):
        return
    at = view(mesh.vertices)
    corners = at[mesh.triangles]
    e1, e2 = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    # y points down in pixels: counter-clockwise triangles, seen from outside, have a negative product.
    front = e1[:, 0] * e2[:, 1] - e1[:, 1] * e2[:, 0] < 0
    z = corners[:, :, 2].mean(1)
    normals = (mesh.normals @ view.turn.T)[mesh.triangles].mean(1)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    normals = np.where((normals[:, 2] < 0)[:, None], -normals, normals)
    rgb = lit(mesh.colours[mesh.triangles].mean(1), normals, gloss=0.5)
    rgb = view.faded(rgb, z)
    part = _parts(mesh)
    order = np.argsort(z, kind="stable")
    for p in np.unique(part):
        for side in (False, True):
            chosen = order[(part[order] == p) & (front[order] == side)]
            if len(chosen):
                yield float(np.median(z[chosen])), _triangles(corners[chosen], rgb[chosen], mesh.opacity)


def _parts(mesh: Mesh) -> np.ndarray:
    """Number of the connected part that each triangle belongs to."""
    n, (a, b, c) = len(mesh.vertices), mesh.triangles.T
    links = coo_array((np.ones(2 * len(a)), (np.concatenate([a, b]), np.concatenate([b, c]))), (n, n))
    return connected_components(links, directed=False)[1][a]


def _triangles(corners: np.ndarray, rgb: np.ndarray, opacity: float) -> str:
    """Triangles of one group; each is stroked in its own colour, which closes the seams between them."""
    paths = [
        f'<path color="{hex_of(c)}" d="M{t[0, 0]:.1f} {t[0, 1]:.1f}L{t[1, 0]:.1f} {t[1, 1]:.1f} '
        f'{t[2, 0]:.1f} {t[2, 1]:.1f}z"/>'
        for t, c in zip(corners, rgb, strict=True)
    ]
    return (
        f'<g fill="currentColor" stroke="currentColor" stroke-width="0.7" stroke-linejoin="round" '
        f'opacity="{opacity:.2f}">{"".join(paths)}</g>'
    )
