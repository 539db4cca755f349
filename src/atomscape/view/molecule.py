"""A structure as a layer: balls, two-coloured sticks, the edges of its cell; and a good side to look from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from atomscape.atoms.structures import Structures
from atomscape.shapes import Float, Int
from atomscape.view.bonds import Drawn, cell_of, drawn_atoms
from atomscape.view.elements import STICK, ball_radii, colour, colours_of, symbol_of
from atomscape.view.scene import Balls, Label, Layer, Scene, Sticks

CELL = colour("8a94a3")
HALO = colour("2f5bd8")

PIECE = 0.35
"""Longest piece in Å of an edge of the cell."""

SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


@dataclass(frozen=True)
class Look:
    """Size of balls by the usual one, radius of bonds in Å, and whether balls have rings around them."""

    balls: float = 1.0
    stick: float = STICK
    ring: bool = False


SMALL = Look(balls=0.5, stick=0.05)
"""For structures that carry something that is to be seen."""


def structure_layer(
    structure: Structures, name: str = "structure", only: Sequence[int] | None = None, look: Look = Look()
) -> Layer:
    """Atoms, bonds and cell of one structure.

    Parameters
    ----------
    only
        Draw these atoms and the bonds that lead to them, and no cell. Default: everything.

    Raises
    ------
    ValueError
        The batch has more or fewer than one structure, or no atoms.
    """
    drawn = drawn_atoms(structure)
    numbers = structure.numbers.cpu().numpy()
    chosen = np.ones(len(drawn.atom), dtype=bool) if only is None else np.isin(drawn.atom, np.array(only))
    sticks, labels = [_bonds(drawn, numbers, chosen, look)], ()
    if only is None and structure.pbc.any():
        edges, labels = cell_edges(structure)
        sticks.append(_outside(edges, drawn.positions, look.balls * ball_radii(numbers[drawn.atom])))
    return Layer(name, (_balls(drawn, numbers, chosen, look),), tuple(sticks), labels=labels)


def structure_scene(structure: Structures, title: str = "") -> Scene:
    """A scene of one structure and nothing else.

    Raises
    ------
    ValueError
        The batch has more or fewer than one structure, or no atoms.
    """
    layer = structure_layer(structure)
    note = "".join(structure.ids)
    return Scene((layer,), title or structure.formulas()[0].translate(SUBSCRIPTS), note, good_side(structure))


def _balls(drawn: Drawn, numbers: np.ndarray, chosen: np.ndarray, look: Look) -> Balls:
    atom = drawn.atom[chosen]
    z = numbers[atom]
    names = [f"{symbol_of(n)} {a}" for n, a in zip(z.tolist(), atom.tolist(), strict=True)]
    radii, halo = look.balls * ball_radii(z), HALO if look.ring else None
    return Balls(drawn.positions[chosen], radii, colours_of(z), tuple(names), halo)


def _bonds(drawn: Drawn, numbers: Int[np.ndarray, " atoms"], chosen: np.ndarray, look: Look) -> Sticks:
    """Two sticks for a bond between drawn atoms, from each ball's surface to the middle between them."""
    z = numbers[drawn.atom]
    radii, colours = look.balls * ball_radii(z), colours_of(z)
    touched = chosen[drawn.first] | ((drawn.second >= 0) & chosen[drawn.second])
    first, second, far = drawn.first[touched], drawn.second[touched], drawn.ends[touched]
    whole = second >= 0
    a, b, stub = first[whole], second[whole], first[~whole]
    from_a, to_b = _surfaces(drawn.positions[a], radii[a], drawn.positions[b], radii[b], look.stick)
    out, _ = _surfaces(drawn.positions[stub], radii[stub], far[~whole], np.zeros(len(stub)), look.stick)
    middle = 0.5 * (from_a + to_b)
    starts = np.concatenate([from_a, to_b, out])
    ends = np.concatenate([middle, middle, far[~whole]])
    shades = np.concatenate([colours[a], colours[b], colours[stub]])
    return Sticks(starts, ends, np.full(len(starts), look.stick), shades)


def _surfaces(
    a: np.ndarray, radius_a: np.ndarray, b: np.ndarray, radius_b: np.ndarray, stick: float
) -> tuple[np.ndarray, np.ndarray]:
    """Where a stick leaves the ball at ``a``, and enters the one at ``b``."""
    along = b - a
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    inside = [np.sqrt(np.maximum(r**2 - stick**2, 0))[:, None] * along for r in (radius_a, radius_b)]
    return a + inside[0], b - inside[1]


def cell_edges(structure: Structures) -> tuple[Sticks, tuple[Label, ...]]:
    """Edges along the periodic axes (twelve in a crystal, four in a slab, one in a chain), and their letters.

    Raises
    ------
    ValueError
        The structure is not periodic.
    """
    cell, pbc = cell_of(structure)
    axes = np.flatnonzero(pbc)
    if not len(axes):
        raise ValueError("the structure is not periodic: it has no cell to draw")
    starts, ends, labels = [], [], []
    for axis in axes:
        others = [k for k in axes if k != axis]
        corners = np.indices((2,) * len(others)).reshape(len(others), 2 ** len(others)).T
        start = corners @ cell[others]
        starts.append(start)
        ends.append(start + cell[axis])
        length = np.linalg.norm(cell[axis])
        labels.append(Label("abc"[axis], cell[axis] * (1 + (0.85 + 0.03 * length) / length), quiet=True))
    size = float(np.linalg.norm(cell[axes].sum(0)))
    made = np.concatenate(starts), np.concatenate(ends)
    n = len(made[0])
    return Sticks(*made, np.full(n, np.clip(0.0018 * size, 0.012, 0.04)), np.tile(CELL, (n, 1))), tuple(
        labels
    )


def _outside(edges: Sticks, centres: np.ndarray, radii: np.ndarray) -> Sticks:
    """Edges in short pieces, without those in balls: what is sorted by depth has to be short."""
    n = int(np.ceil(np.linalg.norm(edges.ends - edges.starts, axis=1).max() / PIECE))
    at = np.linspace(0, 1, n + 1)[:, None, None]
    knots = (1 - at) * edges.starts + at * edges.ends
    starts, ends = knots[:-1].reshape(-1, 3), knots[1:].reshape(-1, 3)
    middle = 0.5 * (starts + ends)
    free = (np.linalg.norm(middle[:, None] - centres, axis=2) > radii).all(1)
    return Sticks(
        starts[free], ends[free], np.tile(edges.radii, n)[free], np.tile(edges.colours, (n, 1))[free]
    )


def good_side(structure: Structures) -> Float[np.ndarray, "3 3"]:
    """Rotation for the first look; rows are right, up, and towards the viewer.

    A crystal stands with c upwards, a to the right, seen from a little above. A molecule turns its flat side
    to the viewer, its longest extent to the right, tilted a little.
    """
    if structure.pbc.any():
        cell, _ = cell_of(structure)
        up = cell[2] / np.linalg.norm(cell[2])
        right = cell[0] - up * (cell[0] @ up)
        right /= np.linalg.norm(right)
        return _about_x(0.24) @ _about_y(-0.42) @ np.stack([right, up, np.cross(right, up)])
    x = structure.positions.detach().cpu().double().numpy()
    _, _, axes = np.linalg.svd(np.concatenate([x - x.mean(0), np.zeros((3, 3))]))
    return _about_x(0.35) @ _about_y(-0.3) @ np.stack([axes[0], axes[1], np.cross(axes[0], axes[1])])


def _about_x(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def _about_y(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
