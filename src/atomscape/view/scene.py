"""What is to be drawn, as plain arrays in Å: balls, sticks, meshes and labels, in layers.

A scene knows neither chemistry nor how it is drawn: :mod:`~atomscape.view.molecule` makes the layer of a
structure, :mod:`~atomscape.view.picture` and :mod:`~atomscape.view.page` draw any scene.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from atomscape.shapes import Float, Int, Shaped


@dataclass(frozen=True, eq=False)
class Balls:
    """Spheres. ``names`` are shown when the pointer is on one, ``numbers`` say which atom (−1: none).

    ``halo`` draws a ring of that colour around each: the eye's way to what is new.
    """

    positions: Float[np.ndarray, "balls 3"]
    radii: Float[np.ndarray, " balls"]
    colours: Shaped[np.ndarray, "balls 3"]  # uint8
    names: tuple[str, ...]
    halo: Shaped[np.ndarray, " 3"] | None = None


@dataclass(frozen=True, eq=False)
class Sticks:
    """Cylinders with round ends: bonds (two halves of two colours), edges of a cell."""

    starts: Float[np.ndarray, "sticks 3"]
    ends: Float[np.ndarray, "sticks 3"]
    radii: Float[np.ndarray, " sticks"]
    colours: Shaped[np.ndarray, "sticks 3"]  # uint8


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles, counter-clockwise seen from outside, with a colour and a normal at every vertex."""

    vertices: Float[np.ndarray, "vertices 3"]
    triangles: Int[np.ndarray, "triangles 3"]
    normals: Float[np.ndarray, "vertices 3"]
    colours: Shaped[np.ndarray, "vertices 3"]  # uint8
    opacity: float = 1.0
    name: str = ""


@dataclass(frozen=True, eq=False)
class Label:
    """Text at a place, always readable: it is drawn in front of everything, in a box unless ``quiet``."""

    text: str
    position: Float[np.ndarray, " 3"]
    quiet: bool = False


@dataclass(frozen=True, eq=False)
class Layer:
    """What is shown and hidden together.

    Parameters
    ----------
    group
        Layers of one group exclude one another, as ranked proposals do; the empty group is always free.
    shown
        Whether the layer is seen at first.
    note
        A few words beside the name, such as a probability.
    """

    name: str
    balls: tuple[Balls, ...] = ()
    sticks: tuple[Sticks, ...] = ()
    meshes: tuple[Mesh, ...] = ()
    labels: tuple[Label, ...] = ()
    group: str = ""
    shown: bool = True
    note: str = ""

    def points(self) -> Float[np.ndarray, "points 3"]:
        """Everything that has to fit into the picture, as points: balls and sticks with their size."""
        found = [
            b.positions + s * b.radii[:, None] * e for b in self.balls for s in (1, -1) for e in np.eye(3)
        ]
        found += [end for s in self.sticks for end in (s.starts, s.ends)]
        found += [m.vertices for m in self.meshes] + [label.position[None] for label in self.labels]
        return np.concatenate([np.zeros((0, 3)), *found])


@dataclass(frozen=True, eq=False)
class Scene:
    """Layers, and how they are first looked at.

    Parameters
    ----------
    turn
        Rotation of the first view: rows are the directions to the right, up, and towards the viewer.

    Raises
    ------
    ValueError
        Two layers have one name, or nothing is to be seen.
    """

    layers: tuple[Layer, ...]
    title: str = ""
    note: str = ""
    turn: Float[np.ndarray, "3 3"] = field(default_factory=lambda: np.eye(3))

    def __post_init__(self) -> None:
        """Refuse what could not be drawn."""
        names = [layer.name for layer in self.layers]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(f"layers need names of their own; {', '.join(map(repr, twice))} stands twice")
        if not sum(len(layer.points()) for layer in self.layers):
            raise ValueError("a scene of nothing: no layer has balls, sticks, meshes or labels")
        if not all(np.isfinite(layer.points()).all() for layer in self.layers):
            raise ValueError("positions in a scene must be finite")

    def groups(self) -> dict[str, tuple[Layer, ...]]:
        """Layers that exclude one another, by the name of their group."""
        names = dict.fromkeys(layer.group for layer in self.layers if layer.group)
        return {n: tuple(layer for layer in self.layers if layer.group == n) for n in names}

    def seen(self) -> tuple[Layer, ...]:
        """Layers that are seen at first: of each group only the first that is to be shown."""
        taken: set[str] = set()
        found = []
        for layer in self.layers:
            if layer.shown and layer.group not in taken:
                found.append(layer)
                taken |= {layer.group} - {""}
        return tuple(found)

    def showing(self, chosen: str) -> Scene:
        """The same scene with one layer of a group shown instead of the others.

        Raises
        ------
        LookupError
            There is no layer of that name.
        """
        found = [layer for layer in self.layers if layer.name == chosen]
        if not found:
            names = ", ".join(repr(layer.name) for layer in self.layers)
            raise LookupError(f"the scene has no layer {chosen!r}; it has {names}")
        group = found[0].group
        layers = [
            replace(layer, shown=layer.name == chosen)
            if layer.name == chosen or (group and layer.group == group)
            else layer
            for layer in self.layers
        ]
        return replace(self, layers=tuple(layers))

    def middle(self) -> tuple[Float[np.ndarray, " 3"], float]:
        """Centre of everything, and the radius around it that holds everything, Å."""
        points = np.concatenate([layer.points() for layer in self.layers])
        centre = 0.5 * (points.min(0) + points.max(0))
        return centre, max(float(np.linalg.norm(points - centre, axis=1).max()), 0.5)


def merged(meshes: Sequence[Mesh], name: str = "") -> Mesh:
    """Several meshes of one opacity as one.

    Raises
    ------
    ValueError
        There are none, or their opacities differ.
    """
    if len({m.opacity for m in meshes}) != 1:
        raise ValueError("meshes become one if there are some, of one opacity")
    first = np.cumsum([0, *(len(m.vertices) for m in meshes)])
    return Mesh(
        np.concatenate([m.vertices for m in meshes]),
        np.concatenate([m.triangles + k for m, k in zip(meshes, first, strict=False)]),
        np.concatenate([m.normals for m in meshes]),
        np.concatenate([m.colours for m in meshes]),
        meshes[0].opacity,
        name or meshes[0].name,
    )
