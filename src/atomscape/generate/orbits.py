"""Orbits: places of a broken crystal that its own symmetry makes one.

What turns with the crystal gives all places of an orbit the same probability. Where the missing atom's place
is one of m no such network, however good, is right more often than once in m; completed at any of them the
crystal is the same one.
"""

from __future__ import annotations

import numpy as np

from atomscape.atoms.crystal_symmetry import as_spglib, ask_spglib
from atomscape.atoms.structures import Structures
from atomscape.shapes import Float

PRECISION = 0.1
"""Å within which atoms must meet."""
APART = 0.5
"""Å; places nearer to one another are one."""


def orbit(crystal: Structures, place: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "places 3"]:
    """Places equivalent to one (Å, of each the image nearest to the origin's cell), itself first.

    ``crystal`` is one structure, periodic in three directions.
    """
    cell, x, z = as_spglib(crystal)
    found = ask_spglib("get_symmetry", (cell, x, z), symprec=PRECISION)
    turns = np.linalg.solve(cell.T, place)
    images = turns[None] if found is None else found["rotations"] @ turns + found["translations"]
    kept = [turns]
    for image in images:
        off = np.array(kept) - image
        if (np.linalg.norm((off - np.rint(off)) @ cell, axis=1) > APART).all():
            kept.append(image % 1.0)
    return np.array(kept) @ cell
