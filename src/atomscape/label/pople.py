"""Basis sets of the 6-31G family as they were defined, and as Gaussian has them, for PySCF.

Two things differ from what PySCF takes by that name. Several sets of polarization functions have exponents
α·4^k around the α of one set (M. J. Frisch, J. A. Pople, J. S. Binkley, J. Chem. Phys. 80, 3265 (1984)), with
the α of 6-31G, not of 6-311G: carbon's in 6-31G(2df,p) are 1.6 and 0.4. And d functions are six, Cartesian,
while f functions are seven, pure. Energies by the two definitions differ by up to 0.1 eV for water.
"""

from __future__ import annotations

import re

import numpy as np
from scipy.linalg import block_diag

from atomscape.shapes import Float

FAMILY = re.compile(r"6-31\+{0,2}G(?:\((?P<heavy>\d?)d\d*f?(?:,(?P<light>\d?)p)?\)|\*{0,2})", re.IGNORECASE)
LIGHT = ("H", "He")

DEPENDENT = 1e-6
"""Eigenvalues of the overlap below this are taken for linear dependence, as PySCF does."""

Shell = list
"""Degree and ``[exponent, coefficient, …]`` of each primitive function, as PySCF keeps a shell."""


def is_of_the_family(basis: str) -> bool:
    """Whether a name is one of 6-31G, with or without diffuse and polarization functions."""
    return FAMILY.fullmatch(basis) is not None


def shells(basis: str, symbol: str) -> list[Shell]:
    """Shells of one element in a basis set of the family.

    Raises
    ------
    KeyError
        PySCF has no such basis set for the element.
    """
    from pyscf.gto import basis as library

    found = FAMILY.fullmatch(basis)
    given = library.load(basis, symbol)
    number = int((found and found["light" if symbol in LIGHT else "heavy"]) or 1)
    degree = 1 if symbol in LIGHT else 2
    one = [s for s in library.load("6-31G**", symbol) if s[0] == degree]
    if number == 1 or len(one) != 1:  # transition metals have d functions that do not polarize
        return given
    alpha = one[0][1][0]
    several = [[degree, [alpha * 4 ** ((number - 1) / 2 - k), 1.0]] for k in range(number)]
    return [s for s in given if s[0] != degree] + several


def pure_above_d(molecule) -> Float[np.ndarray, "cartesian functions"]:
    """Functions of the family in terms of all Cartesian ones: s, p, d as they are, pure from f on."""
    from pyscf.gto import cart2sph

    blocks = []
    for shell in range(molecule.nbas):
        l = int(molecule.bas_angular(shell))
        block = np.eye((l + 1) * (l + 2) // 2) if l < 3 else cart2sph(l)
        blocks += [block] * int(molecule.bas_nctr(shell))
    return np.asarray(block_diag(*blocks))


def orthonormal(
    functions: Float[np.ndarray, "cartesian functions"], overlap: Float[np.ndarray, "cartesian cartesian"]
) -> Float[np.ndarray, "cartesian orthonormal"]:
    """Orthonormal functions with the same span: canonical orthogonalization, dependent ones are left out."""
    values, vectors = np.linalg.eigh(functions.T @ overlap @ functions)
    kept = values > DEPENDENT
    return functions @ (vectors[:, kept] / np.sqrt(values[kept]))
