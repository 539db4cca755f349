"""Stress as VASP reports it: six numbers in kbar, positive under compression, in one of two orders."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from atomscape.atoms.stresses import from_voigt
from atomscape.units import KBAR

ORDERS = {"xx yy zz xy yz xz": (0, 1, 2, 4, 5, 3), "xx yy zz xy xz yz": (0, 1, 2, 5, 4, 3)}
"""Order of the six numbers → where ASE's xx, yy, zz, yz, xz, xy stand in it."""


def stress_from_kbar(values: ArrayLike, order: str) -> np.ndarray:
    """Stress in eV/Å³, tension positive, [..., 3, 3], from six numbers in kbar, compression positive.

    Raises
    ------
    KeyError
        The order is none of ``ORDERS``.
    """
    return -KBAR * from_voigt(np.asarray(values, dtype=np.float64)[..., list(ORDERS[order])])
