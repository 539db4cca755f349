"""Wigner D matrices in the real basis, for any degree, from rotation matrices.

D_l is defined by Y_l(R r) = D_l(R) Y_l(r), so D_l(R R') = D_l(R) D_l(R') and D_l(Rᵀ) = D_l(R)ᵀ. In degree 1,
whose order is (y, z, x), it is R itself with rows and columns permuted; higher degrees follow by the coupling
of largest degree,

    D_l = Cᵀ (D_{l−1} ⊗ D₁) C,      C = C(l−1, 1, l) with the first two axes as rows,

which is a polynomial in the elements of R: exact, stable (every factor is orthogonal), differentiable
everywhere.
"""

from __future__ import annotations

import torch

from atomscape.o3.clebsch_gordan import clebsch_gordan
from atomscape.o3.irreps import Irrep, Irreps
from atomscape.shapes import Float, Tensor

_YZX = [1, 2, 0]


def wigner_D(l: int, R: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch m n"]:
    """D_l(R) with Y_l(R r) = D_l(R) Y_l(r), for orthogonal R.

    An improper R (determinant −1) gives the matrix of natural parity, D_l(−R) = (−1)^l D_l(R), as the
    harmonics themselves turn; :func:`irreps_D` knows the parity of each irrep.

    Raises
    ------
    ValueError
        The degree is negative.
    """
    if l < 0:
        raise ValueError(f"degree {l} does not exist; l must be 0 or more")
    return wigner_D_all(l, R)[l]


def wigner_D_all(l_max: int, R: Float[Tensor, "*batch 3 3"]) -> list[Tensor]:
    """D_0 … D_l_max of the same rotations, each ``[*batch, 2l+1, 2l+1]``; costs no more than the last."""
    D = [torch.ones_like(R[..., :1, :1]), R[..., _YZX, :][..., _YZX]]
    for l in range(2, l_max + 1):
        C = clebsch_gordan(l - 1, 1, l).to(R)
        turned = (D[l - 1] @ C.flatten(1)).unflatten(-1, C.shape[1:])
        turned = D[1].unsqueeze(-3) @ turned
        D.append(C.flatten(0, 1).mT @ turned.flatten(-3, -2))
    return D[: l_max + 1]


def irreps_D(irreps: Irreps | Irrep | str, R: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch dim dim"]:
    """Block-diagonal matrix that turns flat vectors of these irreps; improper R act with their parities."""
    irreps = Irreps(irreps)
    if not irreps.num_irreps:
        return R.new_zeros(*R.shape[:-2], 0, 0)
    improper = torch.linalg.det(R.detach()) < 0
    D = wigner_D_all(irreps.l_max, R)
    out = R.new_zeros(*R.shape[:-2], irreps.dim, irreps.dim)
    for block, (mul, ir) in zip(irreps.slices(), irreps, strict=True):
        turn = D[ir.l] if ir.natural else torch.where(improper[..., None, None], -D[ir.l], D[ir.l])
        for start in range(block.start, block.start + mul * ir.dim, ir.dim):
            out[..., start : start + ir.dim, start : start + ir.dim] = turn
    return out


def rotate(
    x: Float[Tensor, "*batch dim"], irreps: Irreps | Irrep | str, R: Float[Tensor, "3 3"]
) -> Float[Tensor, "*batch dim"]:
    """Turn flat vectors of these irreps by one (proper or improper) rotation, block by block.

    Raises
    ------
    ValueError
        The last axis is not ``irreps.dim`` long.
    """
    irreps = Irreps(irreps)
    if x.shape[-1] != irreps.dim:
        raise ValueError(f"{irreps} has dimension {irreps.dim}, the last axis of x has length {x.shape[-1]}")
    if not irreps.num_irreps:
        return x.clone()
    R = R.to(x)
    improper = bool(torch.linalg.det(R.detach()) < 0)
    D = wigner_D_all(irreps.l_max, R)
    parts = []
    for block, (mul, ir) in zip(irreps.slices(), irreps, strict=True):
        sign = -1 if improper and not ir.natural else 1
        parts.append((x[..., block].unflatten(-1, (mul, ir.dim)) @ (sign * D[ir.l]).mT).flatten(-2))
    return torch.cat(parts, -1)
