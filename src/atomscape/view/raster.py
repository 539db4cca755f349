"""Layers rendered to pixels with NumPy: exact balls, sticks and triangles, shade between them, glass.

Orthographic; x to the right, y downwards, z to the viewer, in samples. What is solid goes into buffers of
depth, normal and colour; what is seen through is kept as fragments, sorted from far to near in each sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from atomscape.shapes import Float, Shaped
from atomscape.view.light import lit, mix
from atomscape.view.project import View
from atomscape.view.scene import Balls, Layer, Mesh, Sticks

RING = (1.1, 1.34)
"""Inner and outer radius of the ring around a ball, by the ball's."""

REACH = 1.4
"""Å around a point within which things shade it."""

SPIRAL = 20
"""Points that are looked at for the shade."""

FRAGMENTS = 4_000_000
"""Candidates for fragments at a time, to bound memory."""


@dataclass(eq=False)
class Buffers:
    """Depth (−∞: nothing), unit normal, colour 0 … 255, and whether light falls on it, per sample."""

    z: Float[np.ndarray, "h w"]
    normal: Float[np.ndarray, "h w 3"]
    colour: Float[np.ndarray, "h w 3"]
    plain: Shaped[np.ndarray, "h w"]

    @staticmethod
    def empty(width: int, height: int) -> Buffers:
        """Nothing anywhere."""
        vectors = np.zeros((2, height, width, 3), dtype=np.float32)
        z = np.full((height, width), -np.inf, dtype=np.float32)
        return Buffers(z, vectors[0], vectors[1], np.zeros((height, width), dtype=bool))

    def put(self, at: tuple, mask: np.ndarray, z: np.ndarray, normal, colour, plain: bool = False) -> None:
        """Write where ``mask`` holds and nothing nearer is there; ``at`` is a pair of slices."""
        mask = mask & (z > self.z[at])
        self.z[at][mask] = z[mask]
        self.normal[at][mask] = np.broadcast_to(normal, (*mask.shape, 3))[mask]
        self.colour[at][mask] = colour
        self.plain[at][mask] = plain


def rendered(
    layers: Sequence[Layer], view: View, width: int, height: int, samples: int = 2
) -> Shaped[np.ndarray, "height width 4"]:
    """Red, green, blue and opacity (uint8, not multiplied) of a picture of ``width`` × ``height`` pixels.

    Parameters
    ----------
    view
        From Å to pixels.
    samples
        Samples along each side of a pixel.
    """
    fine = view.enlarged(samples)
    buffers = Buffers.empty(width * samples, height * samples)
    for layer in layers:
        for balls in layer.balls:
            _balls(balls, fine, buffers)
        for sticks in layer.sticks:
            _sticks(sticks, fine, buffers)
    meshes = [m for layer in layers for m in layer.meshes if len(m.triangles)]
    for mesh in meshes:
        if mesh.opacity >= 1:
            _solid(mesh, fine, buffers)
    rgba = _composed(buffers, fine)
    glass = [f for m in meshes if m.opacity < 1 for f in _fragments(m, fine, buffers)]
    if glass:
        _blend(rgba, [np.concatenate(parts) for parts in zip(*glass, strict=True)])
    small = rgba.reshape(height, samples, width, samples, 4).mean((1, 3))
    alpha = small[..., 3:]
    colour = small[..., :3] / np.maximum(alpha, 1e-6)
    return np.rint(np.concatenate([np.clip(colour, 0, 255), 255 * alpha], -1)).astype(np.uint8)


def _window(buffers: Buffers, x: float, y: float, reach: float) -> tuple | None:
    """Slices of the samples within ``reach`` of a place, and their offsets from it."""
    h, w = buffers.z.shape
    x0, x1 = max(int(x - reach), 0), min(int(x + reach) + 2, w)
    y0, y1 = max(int(y - reach), 0), min(int(y + reach) + 2, h)
    if x0 >= x1 or y0 >= y1:
        return None
    return (
        (slice(y0, y1), slice(x0, x1)),
        np.arange(x0, x1)[None] + 0.5 - x,
        np.arange(y0, y1)[:, None] + 0.5 - y,
    )


def _balls(balls: Balls, view: View, buffers: Buffers) -> None:
    at, radii = view(balls.positions), balls.radii * view.scale
    for (x, y, z), r, colour in zip(at.tolist(), radii.tolist(), balls.colours, strict=True):
        window = _window(buffers, x, y, 1.4 * r)
        if window is None:
            continue
        place, dx, dy = window
        square = dx**2 + dy**2
        height = np.sqrt(np.maximum(r * r - square, 0))
        normal = np.stack([dx + 0 * dy, -dy + 0 * dx, height], -1) / r
        buffers.put(place, square < r * r, z + height, normal, colour)
        if balls.halo is not None:
            ring = (square > (RING[0] * r) ** 2) & (square < (RING[1] * r) ** 2)
            buffers.put(place, ring, np.full_like(square, z), np.array([0.0, 0.0, 1.0]), balls.halo, True)


def _sticks(sticks: Sticks, view: View, buffers: Buffers) -> None:
    a, b = view(sticks.starts), view(sticks.ends)
    for start, end, radius, colour in zip(a, b, sticks.radii * view.scale, sticks.colours, strict=True):
        r = max(float(radius), 0.9)
        middle, along = 0.5 * (start + end), end - start
        window = _window(buffers, middle[0], middle[1], 0.5 * float(np.abs(along[:2]).max()) + r)
        if window is None:
            continue
        place, dx, dy = window
        # Relative to the start; the ray is p + t (0, 0, 1).
        p = np.stack(np.broadcast_arrays(dx + middle[0] - start[0], dy + middle[1] - start[1], -start[2]), -1)
        t, normal, hit = _capsule(p, along, r)
        buffers.put(place, hit, t, normal * np.array([1.0, -1.0, 1.0]), colour, plain=False)


def _capsule(p: np.ndarray, along: np.ndarray, r: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where rays p + t (0, 0, 1) last meet a cylinder from 0 to ``along`` with round ends.

    Returns t, the unit normal there, and whether they meet.
    """
    length = max(float(np.linalg.norm(along)), 1e-9)
    u = along / length
    A = max(1 - u[2] ** 2, 1e-9)
    pu = p @ u
    B, C = p[..., 2] - pu * u[2], (p * p).sum(-1) - pu**2 - r * r
    inside = B * B - A * C
    t = (-B + np.sqrt(np.maximum(inside, 0))) / A
    y = pu + t * u[2]
    side = (inside > 0) & (y > 0) & (y < length)
    end = np.where((y >= length)[..., None], along, 0.0)
    q = p - end
    cap = q[..., 2] ** 2 - (q * q).sum(-1) + r * r
    t = np.where(side, t, -q[..., 2] + np.sqrt(np.maximum(cap, 0)))
    hit = p + t[..., None] * np.array([0.0, 0.0, 1.0])
    normal = np.where(side[..., None], hit - y[..., None] * u, hit - end) / r
    return t, normal, side | (cap > 0)


def _triangles(mesh: Mesh, view: View, shape: tuple[int, int]) -> Iterator[tuple[np.ndarray, ...]]:
    """Sample, depth, vertices and their shares of every sample inside a triangle, in chunks."""
    corners = view(mesh.vertices).astype(np.float32)[mesh.triangles]
    h, w = shape
    low = np.maximum(np.floor(corners[:, :, :2].min(1)), 0).astype(np.int64)
    high = np.minimum(np.ceil(corners[:, :, :2].max(1)), [w - 1, h - 1]).astype(np.int64)
    size = np.maximum(high - low + 1, 0)
    count = size.prod(1)
    chunk = (np.cumsum(count) // FRAGMENTS).astype(np.int64)
    for k in range(int(chunk[-1]) + 1):
        chosen = np.flatnonzero((chunk == k) & (count > 0))
        n = count[chosen]
        t = np.repeat(chosen, n)
        local = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
        x, y = low[t, 0] + local % size[t, 0], low[t, 1] + local // size[t, 0]
        a, b, c = (corners[t, i, :2] for i in range(3))
        p = np.stack([x, y], 1).astype(np.float32) + np.float32(0.5)
        twice = np.stack([_cross(b - p, c - p), _cross(c - p, a - p), _cross(a - p, b - p)], 1)
        area = twice.sum(1)
        inside = ((twice * np.sign(area)[:, None]) >= 0).all(1) & (area != 0)
        t, share = t[inside], twice[inside] / area[inside, None]
        yield y[inside] * w + x[inside], (share * corners[t, :, 2]).sum(1), mesh.triangles[t], share


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def _surface(
    mesh: Mesh, view: View, vertices: np.ndarray, share: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Unit normals towards the viewer, and colours, inside triangles."""
    normal = ((mesh.normals @ view.turn.T)[vertices] * share[:, :, None]).sum(1)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    normal = np.where(normal[:, 2:] < 0, -normal, normal)
    return normal, (mesh.colours.astype(np.float64)[vertices] * share[:, :, None]).sum(1)


def _solid(mesh: Mesh, view: View, buffers: Buffers) -> None:
    for sample, z, vertices, share in _triangles(mesh, view, buffers.z.shape):
        order = np.lexsort((-z, sample))
        first = order[np.diff(sample[order], prepend=-1) > 0]
        near = first[z[first] > buffers.z.reshape(-1)[sample[first]]]
        normal, colour = _surface(mesh, view, vertices[near], share[near])
        at = sample[near]
        buffers.z.reshape(-1)[at] = z[near]
        buffers.normal.reshape(-1, 3)[at] = normal
        buffers.colour.reshape(-1, 3)[at] = colour
        buffers.plain.reshape(-1)[at] = False


def _fragments(mesh: Mesh, view: View, buffers: Buffers) -> Iterator[tuple[np.ndarray, ...]]:
    """Sample, depth, colour and opacity of what is seen of a mesh of glass, thicker towards its rim."""
    for sample, z, vertices, share in _triangles(mesh, view, buffers.z.shape):
        seen = z > buffers.z.reshape(-1)[sample]
        normal, colour = _surface(mesh, view, vertices[seen], share[seen])
        alpha = np.clip(mesh.opacity * (0.8 + 1.1 * (1 - normal[:, 2]) ** 2), 0, 1)
        shaded = view.faded(lit(colour, normal, gloss=0.5), z[seen])
        yield sample[seen], z[seen], shaded, alpha


def _blend(rgba: np.ndarray, fragments: list[np.ndarray]) -> None:
    """Lay fragments over a picture (colours times opacity), the farthest first."""
    sample, z, colour, alpha = fragments
    order = np.lexsort((z, sample))
    sample, colour, alpha = sample[order], colour[order], alpha[order][:, None]
    start = np.flatnonzero(np.diff(sample, prepend=-1) > 0)
    rank = np.arange(len(sample)) - np.repeat(start, np.diff(start, append=len(sample)))
    flat = rgba.reshape(-1, 4)
    for k in range(int(rank.max(initial=-1)) + 1):
        at = rank == k
        over = np.concatenate([colour[at] * alpha[at], alpha[at]], 1)
        flat[sample[at]] = over + flat[sample[at]] * (1 - alpha[at])


def _composed(buffers: Buffers, view: View) -> Float[np.ndarray, "h w 4"]:
    """What is solid, with light, shade, air and outlines: colours times opacity, and opacity."""
    there = np.isfinite(buffers.z)
    z = np.where(there, buffers.z, np.float32(-1e6))
    edge = _edges(z, view.scale)
    normal, colour, plain = buffers.normal[there], buffers.colour[there], buffers.plain[there]
    shade = 0.3 + 0.7 * _shade(z, np.argwhere(there), normal, view.scale)
    shaded = lit(colour, normal, gloss=0.5) * shade[:, None]
    shaded = view.faded(mix(shaded, view.theme.outline, 0.45 * edge[there]), z[there])
    alpha = 0.5 * edge
    alpha[there] = 1.0
    rgba = np.empty((*z.shape, 4), dtype=np.float32)
    rgba[..., :3] = alpha[..., None] * view.theme.outline
    rgba[there, :3] = np.where(plain[:, None], colour, shaded)
    rgba[..., 3] = alpha
    return rgba


def _shade(z: np.ndarray, at: np.ndarray, normal: np.ndarray, scale: float) -> Float[np.ndarray, " n"]:
    """1 where a point sees the whole sky, less where things around it hide some (as the page's shader)."""
    y, x = at.T
    h, w = z.shape
    here = z[y, x]
    blocked = np.zeros(len(at), dtype=np.float32)
    for k in range(SPIRAL):
        share = (k + 0.5) / SPIRAL
        angle, size = 14.0 * share + 0.6, REACH * share * scale
        dx, dy = round(size * np.cos(angle)), round(size * np.sin(angle))
        if dx == dy == 0:
            continue
        rise = (z[np.clip(y + dy, 0, h - 1), np.clip(x + dx, 0, w - 1)] - here) / np.float32(scale)
        flat = np.array([dx, -dy], dtype=np.float32) / np.float32(scale)
        square = rise * rise + np.float32(flat @ flat)
        facing = normal[:, 0] * flat[0] + normal[:, 1] * flat[1] + normal[:, 2] * rise
        near = np.maximum(1 - square / 3.2, 0)
        blocked += near * np.maximum(facing - 0.03, 0) / (np.sqrt(square) + 0.05)
    return np.clip(1 - 1.8 * blocked / SPIRAL, 0, 1)


def _edges(z: np.ndarray, scale: float) -> Float[np.ndarray, "h w"]:
    """0 … 1: how far something stands before what is next to it, seen from the latter."""
    found = np.zeros_like(z)
    for axis in (0, 1):
        for side in (-1, 1):
            step = np.clip(((np.roll(z, side, axis) - z) / scale - 0.22) / 0.5, 0, 1)
            found += step * step * (3 - 2 * step)
    return np.minimum(found, 1)
