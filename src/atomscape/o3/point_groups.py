"""Point groups: the finite groups of rotations and reflections about a point, as orthogonal matrices.

The seven families along an axis and the seven about a cube or icosahedron, by Schoenflies symbol: ``C3``,
``C4v``, ``C2h``, ``S6``, ``D5``, ``D3d``, ``D6h``, ``Cs``, ``Ci``, ``T``, ``Td``, ``Th``, ``O``, ``Oh``,
``I``, ``Ih``. The main axis is z; a twofold axis across it is x; a mirror through it is xz (in ``Dnd`` it
lies between the twofold axes).
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np

CRYSTALLOGRAPHIC = (
    "C1", "Ci", "C2", "Cs", "C2h", "D2", "C2v", "D2h", "C4", "S4", "C4h", "D4", "C4v", "D2d", "D4h", "C3",
    "S6", "D3", "C3v", "D3d", "C6", "C3h", "C6h", "D6", "C6v", "D3h", "D6h", "T", "Th", "O", "Td", "Oh",
)  # fmt: skip
"""The 32 that a crystal can have, in the order of the International Tables."""

INVERSION = -np.eye(3)
GOLDEN = (1 + 5**0.5) / 2
"""The golden ratio: (0, 1, φ) is a vertex of an icosahedron with edges of length 2."""


def rotation(axis: tuple[float, float, float], order: int) -> np.ndarray:
    """Rotation by 2π/order about an axis [3, 3] (Rodrigues' formula)."""
    n = np.array(axis) / np.linalg.norm(axis)
    angle = 2 * np.pi / order
    across = np.array([[0, -n[2], n[1]], [n[2], 0, -n[0]], [-n[1], n[0], 0]])
    return np.eye(3) + np.sin(angle) * across + (1 - np.cos(angle)) * across @ across


def reflection(normal: tuple[float, float, float]) -> np.ndarray:
    """Reflection at the plane through the origin with this normal [3, 3]."""
    n = np.array(normal) / np.linalg.norm(normal)
    return np.eye(3) - 2 * np.outer(n, n)


@cache
def elements(symbol: str) -> np.ndarray:
    """Elements of a point group [order, 3, 3], the identity first.

    Raises
    ------
    ValueError
        The symbol is none of a point group.
    """
    return generated(generators(symbol))


def generators(symbol: str) -> list[np.ndarray]:
    """Elements that generate a point group; raises as :func:`elements`."""
    if symbol in _POLYHEDRAL:
        return list(_POLYHEDRAL[symbol])
    found = re.fullmatch(r"([CDS])([1-9]\d?)([vhd]?)", symbol)
    if symbol in ("Cs", "Ci"):
        return [reflection((0, 0, 1))] if symbol == "Cs" else [INVERSION]
    if found is None:
        raise ValueError(f"{symbol!r} is no point group; write for instance 'C3v', 'D4h', 'S6', 'Td' or 'Ih'")
    family, n, extra = found[1], int(found[2]), found[3]
    turn, across = rotation((0, 0, 1), n), rotation((1, 0, 0), 2)
    if family == "S":
        if extra or n % 2 or n < 4:
            raise ValueError(f"{symbol!r} is no point group; S4, S6, S8 … are (S1 is Cs, S2 is Ci)")
        return [turn @ reflection((0, 0, 1))]
    if family == "C":
        if extra == "d":
            raise ValueError(f"{symbol!r} is no point group; D{n}d is")
        mirrors = {"": [], "v": [reflection((0, 1, 0))], "h": [reflection((0, 0, 1))]}
        return [turn, *mirrors[extra]]
    if n < 2 or extra == "v":
        raise ValueError(f"{symbol!r} is no point group; D2, D3 … and with h or d are")
    half = np.pi / (2 * n)
    mirrors = {
        "": [],
        "h": [reflection((0, 0, 1))],
        "d": [reflection((-np.sin(half), np.cos(half), 0.0))],
    }
    return [turn, across, *mirrors[extra]]


def generated(by: list[np.ndarray], largest: int = 240) -> np.ndarray:
    """The group that some matrices generate [order, 3, 3], the identity first.

    Raises
    ------
    ValueError
        It has more than ``largest`` elements.
    """
    group = np.eye(3)[None]
    while True:
        products = np.concatenate([group, *(group @ g for g in by)])
        keys = np.unique(
            np.rint(products * 1e6).astype(np.int64).reshape(len(products), 9), axis=0, return_index=True
        )
        more = products[np.sort(keys[1])]
        if len(more) > largest:
            raise ValueError(f"the matrices generate more than {largest} elements")
        if len(more) == len(group):
            return group
        group = more


_THREE, _FOUR = rotation((1, 1, 1), 3), rotation((0, 0, 1), 4)
_TWO, _FIVEFOLD = rotation((0, 0, 1), 2), rotation((0, 1, GOLDEN), 5)
_POLYHEDRAL = {
    "T": (_THREE, _TWO),
    "Th": (_THREE, _TWO, INVERSION),
    "Td": (_THREE, _FOUR @ INVERSION),
    "O": (_THREE, _FOUR),
    "Oh": (_THREE, _FOUR, INVERSION),
    "I": (_TWO, _THREE, _FIVEFOLD),
    "Ih": (_TWO, _THREE, _FIVEFOLD, INVERSION),
}
