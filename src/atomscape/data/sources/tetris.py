"""Tetris in space: eight shapes of four points, each shown once, then turned, moved and mirrored.

Nothing is downloaded. The shapes are those of tensor field networks (Thomas et al. 2018, arXiv:1802.08219,
sec. 5.1). Two of them are mirror images of each other; every other one is its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch

from atomscape.atoms.structures import Structures
from atomscape.atoms.transform import rotated, translated
from atomscape.data.card import Card, records
from atomscape.o3.rotation import random_rotation

SHAPES = {
    "chiral 1": ((0, 0, 0), (0, 0, 1), (1, 0, 0), (1, 1, 0)),
    "chiral 2": ((0, 0, 0), (0, 0, 1), (1, 0, 0), (1, -1, 0)),
    "square": ((0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0)),
    "line": ((0, 0, 0), (0, 0, 1), (0, 0, 2), (0, 0, 3)),
    "corner": ((0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0)),
    "L": ((0, 0, 0), (0, 0, 1), (0, 0, 2), (0, 1, 0)),
    "T": ((0, 0, 0), (0, 0, 1), (0, 0, 2), (0, 1, 1)),
    "zigzag": ((0, 0, 0), (1, 0, 0), (1, 1, 0), (2, 1, 0)),
}
"""Points of each shape on a cubic grid, in the order of the label."""

NAMES = tuple(SHAPES)
MIRRORED = {0: 1, 1: 0}
"""Label of the mirror image, where it is another shape."""

SIDE, CARBON, SEED = 1.5, 6, 20240229
VALIDATION, TEST = 5, 25
"""Motions of each shape, as many again with a reflection."""

REACH = 10.0
"""Å: how far shapes are moved along each axis."""

card = Card(
    name="tetris",
    title="Tetris shapes in space",
    description=f"Eight shapes of four points, {SIDE} Å apart, all of one element: {', '.join(NAMES)}. "
    "shape_class is the place in this list. The training part shows each once; validation and test have "
    f"{VALIDATION} and {TEST} of each turned at random and moved by up to {REACH:g} Å along each axis, and "
    "as many that are also mirrored: then chiral 1 is chiral 2, and the reverse. Ids are "
    "'<shape>-<part>-<k>', with the shape that was moved.",
    licence="CC0-1.0",
    citation="Made by atomscape. Shapes: N. Thomas et al., Tensor field networks, arXiv:1802.08219",
    level_of_theory="none: geometry",
    properties=records("shape_class"),
    generated=True,
    verified="each moved shape has the distances of its label's; handedness by the sign of a triple product",
)


def inputs(folder: Path) -> list[Path]:
    """The code that makes the shapes; the folder does not matter."""
    return [Path(__file__)]


def read(folder: Path) -> Iterator[Structures]:
    """The shapes, then those that are moved; the same on every machine up to rounding."""
    yield Structures.concatenate(shape(label) for label in range(len(NAMES)))
    for part, motions in (("val", VALIDATION), ("test", TEST)):
        yield Structures.concatenate(
            moved(label, part, k) for label in range(len(NAMES)) for k in range(2 * motions)
        )


def splits(folder: Path) -> Mapping[str, np.ndarray]:
    """Train: the shapes as they are; val and test: moved ones."""
    n = len(NAMES)
    rows = np.arange(n * (1 + 2 * VALIDATION + 2 * TEST))
    train, val, test = np.split(rows, [n, n * (1 + 2 * VALIDATION)])
    return {"train": train, "val": val, "test": test}


def shape(label: int) -> Structures:
    """A shape as it is defined, in one orientation and position."""
    points = SIDE * np.array(SHAPES[NAMES[label]], dtype=float)
    labels = {"shape_class": float(label)}
    return Structures.of(points, [CARBON] * len(points), labels=labels, id=f"{NAMES[label]}-train-0")


def moved(label: int, part: str, k: int) -> Structures:
    """Motion ``k`` of a shape, each with a generator of its own; odd ones are reflected too."""
    generator = torch.Generator().manual_seed(SEED + 1000 * label + 100_000 * (part == "test") + k)
    Q = random_rotation(1, generator=generator, dtype=torch.float64)[0]
    step = REACH * (2 * torch.rand(3, generator=generator, dtype=torch.float64) - 1)
    found = MIRRORED.get(label, label) if k % 2 else label
    s = translated(rotated(shape(label), -Q if k % 2 else Q), step)
    labels = {"shape_class": float(found)}
    return Structures.of(s.positions, s.numbers, labels=labels, id=f"{NAMES[label]}-{part}-{k}")
