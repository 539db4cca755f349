"""What an encoder holds at each atom, drawn on the structure: a surface per atom for one degree and channel.

Channels of a trained network have no order. Shown are directions in channel space: the principal axes of the
features of one degree over all atoms and orders, which rotations leave alone. The first one is where the
features of this structure are strongest.
"""

from __future__ import annotations

import numpy as np

from atomscape.atoms.structures import Structures
from atomscape.nn.embedding import Embedding
from atomscape.shapes import Float, Int
from atomscape.view.bonds import drawn_atoms
from atomscape.view.harmonic_surface import harmonic_surface, sphere
from atomscape.view.molecule import SMALL, good_side, structure_layer, structure_scene
from atomscape.view.scene import Layer, Scene, merged

SIZE = 0.85
"""Å from an atom to the farthest point of the largest surface."""

MOST_COMPONENTS = 3


def principal_features(
    block: Float[np.ndarray, "atoms m channels"], components: int = MOST_COMPONENTS
) -> tuple[Float[np.ndarray, "atoms m components"], Float[np.ndarray, " components"]]:
    """Features along the principal axes of channel space, and the share of all squares that each holds.

    The sign of an axis is such that its coefficient of the largest size is positive, which no rotation of the
    structure can change.
    """
    flat = block.reshape(-1, block.shape[-1]).astype(np.float64)
    _, size, axes = np.linalg.svd(flat, full_matrices=False)
    axes = axes[:components]
    axes = axes * np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(1)])[:, None]
    share = size[: len(axes)] ** 2 / max(float((size**2).sum()), 1e-300)
    return block.astype(np.float64) @ axes.T, share


def features_scene(
    structure: Structures,
    embedding: Embedding,
    l: int,
    parity: int | None = None,
    components: int = MOST_COMPONENTS,
    title: str = "",
) -> Scene:
    """Draw the features of degree ``l`` of every atom on the structure, one layer per component.

    Raises
    ------
    KeyError
        The embedding has no such degree, or two parities of it and none was asked for.
    ValueError
        The batch has more or fewer than one structure.
    """
    block = embedding.degree(l, parity).detach().cpu().double().numpy()
    values, share = principal_features(block, components)
    base = structure_scene(structure, title)
    layers = [structure_layer(structure, look=SMALL)]
    for k in range(values.shape[-1]):
        note = f"{100 * share[k]:.0f} % of the squares"
        name = f"component {k + 1}"
        layers.append(feature_layer(structure, values[:, :, k], name, note, shown=k == 0))
    what = f"degree {l} of {embedding.layer}; orange is positive, blue negative"
    return Scene(tuple(layers), base.title, what, good_side(structure))


def feature_layer(
    structure: Structures,
    values: Float[np.ndarray, "atoms m"],
    name: str,
    note: str = "",
    shown: bool = True,
    directions: tuple[Float[np.ndarray, "v 3"], Int[np.ndarray, "t 3"]] | None = None,
) -> Layer:
    """One coefficient vector per atom as surfaces around the atoms, all on one scale.

    ``directions`` are the unit vectors and triangles that are drawn on; by default enough for the eye.

    Raises
    ------
    ValueError
        The values are not 2l + 1 per atom.
    """
    l = (values.shape[1] - 1) // 2
    drawn = drawn_atoms(structure)
    directions = directions or sphere(14 if len(drawn.atom) < 60 else 9)
    # √(2l+1) bounds |Y·c| / |c|: the largest coefficient vector reaches SIZE, whatever its direction.
    scale = SIZE / max(float(np.linalg.norm(values, axis=1).max()) * (2 * l + 1) ** 0.5, 1e-300)
    meshes = [
        harmonic_surface(values[a], x, scale, degree=l, opacity=0.8, directions=directions)
        for a, x in zip(drawn.atom.tolist(), drawn.positions, strict=True)
    ]
    return Layer(name, meshes=(merged(meshes, name),), group="features", shown=shown, note=note)
