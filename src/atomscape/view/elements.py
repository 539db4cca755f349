"""How an element looks: colour, radius of its ball, symbol, and whether bonds between its atoms are drawn.

Colours follow Jmol's, a little softer, with a darker carbon and an off-white hydrogen, so that both stand out
on light and on dark grounds. ``elements.csv`` has them, and the kind of each element: a ``nonmetal``, a
``metal``, or ``between`` the two, which bonds to metals and to itself alike.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources

import numpy as np

from atomscape.nn.species import covalent_radii
from atomscape.shapes import Float, Int, Shaped

STICK = 0.11
"""Radius of a bond in Å."""


@cache
def _table() -> tuple[dict[str, str], ...]:
    with resources.files("atomscape.view").joinpath("elements.csv").open() as f:
        return ({"symbol": "X", "colour": "ff69b4", "kind": "metal"}, *csv.DictReader(f))


@cache
def _colours() -> Shaped[np.ndarray, "elements 3"]:
    return np.stack([colour(row["colour"]) for row in _table()])


@cache
def kinds() -> Shaped[np.ndarray, " elements"]:
    """Kind of each element by atomic number: ``"nonmetal"``, ``"between"`` or ``"metal"``."""
    return np.array([row["kind"] for row in _table()])


def colour(text: str) -> Shaped[np.ndarray, " 3"]:
    """Red, green and blue (uint8) of a colour written ``"2f5bd8"`` or ``"#2f5bd8"``.

    Raises
    ------
    ValueError
        The text is not six hexadecimal digits.
    """
    digits = text.removeprefix("#")
    try:
        parts = bytes.fromhex(digits)
    except ValueError:
        parts = b""
    if len(parts) != 3:
        raise ValueError(f"colour {text!r} is not six hexadecimal digits, as in '2f5bd8'")
    return np.frombuffer(parts, dtype=np.uint8).copy()


def colours_of(numbers: Int[np.ndarray, " atoms"]) -> Shaped[np.ndarray, "atoms 3"]:
    """Colour of each atom, uint8."""
    return _colours()[numbers]


def ball_radii(numbers: Int[np.ndarray, " atoms"]) -> Float[np.ndarray, " atoms"]:
    """Radius of each atom's ball in a ball-and-stick picture, Å: grows with the covalent radius."""
    return 0.16 + 0.3 * np.minimum(covalent_radii().numpy()[numbers], 1.6)


def symbol_of(number: int) -> str:
    """Symbol of an element."""
    return _table()[number]["symbol"]
