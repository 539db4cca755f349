"""Matrices of nuclear charges, ½ Z^2.4 on the diagonal and Z_i Z_j / d_ij beside it, and what is read off.

Rows of a padded matrix that belong to no atom are zero. In hartree, with distances in bohr.
"""

from __future__ import annotations

from typing import Literal

import torch

from atomscape.shapes import Bool, Float, Tensor
from atomscape.units import BOHR

Form = Literal["eigenvalues", "sorted", "plain"]


def charge_matrix(
    charges: Float[Tensor, "structures size"],
    square: Float[Tensor, "structures size size"],
    taken: Bool[Tensor, "structures size"],
) -> Float[Tensor, "structures size size"]:
    """Z_i Z_j / d_ij with d² given in Å², and ½ Z^2.4 on the diagonal (Rupp et al. 2012, eq. 1).

    Two atoms at one place would make an infinite entry; d is at least 10⁻⁶ Å.
    """
    diagonal = torch.eye(charges.shape[1], dtype=torch.bool, device=charges.device)
    pair = (taken[:, :, None] & taken[:, None, :]) & ~diagonal
    inverse = torch.where(pair, square, torch.ones_like(square)).clamp_min(1e-12).rsqrt() * BOHR
    product = charges[:, :, None] * charges[:, None, :]
    return torch.where(pair, product * inverse, torch.diag_embed(0.5 * charges**2.4))


def read_off(M: Float[Tensor, "structures size size"], form: Form) -> Float[Tensor, "structures features"]:
    """Numbers of a symmetric matrix that do not depend on the order of its rows, or the matrix as it is.

    ``eigenvalues``: by falling magnitude. ``sorted``: upper triangle, rows by falling norm; where norms are
    equal the order of the rows shows. ``plain``: upper triangle of the rows as they are.
    """
    if form == "eigenvalues":
        values = torch.linalg.eigvalsh(M)
        order = values.abs().argsort(dim=1, descending=True, stable=True)
        return values.gather(1, order)
    if form == "sorted":
        order = M.detach().square().sum(2).argsort(dim=1, descending=True, stable=True)
        M = M.gather(1, order[:, :, None].expand_as(M))
        M = M.gather(2, order[:, None, :].expand_as(M))
    i, j = torch.triu_indices(M.shape[1], M.shape[1], device=M.device)
    return M[:, i, j]
