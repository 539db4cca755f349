"""Neighbour search as an operation; the reference tries every pair with every periodic image in reach."""

from __future__ import annotations

import torch

from atomscape.ops.op import Op
from atomscape.shapes import Bool, Float, Int, Tensor

_PAIRS = 1 << 20

Edges = tuple[Int[Tensor, " edges"], Int[Tensor, " edges"], Int[Tensor, "edges 3"]]
"""Centre, neighbour and shift of directed edges."""


@Op
def neighbour_pairs(
    positions: Float[Tensor, "atoms 3"],
    cell: Float[Tensor, "structures 3 3"],
    pbc: Bool[Tensor, "structures 3"],
    offsets: Int[Tensor, " rows"],
    cutoff: float,
) -> Edges:
    """All directed pairs with r² < ``cutoff``² (Å), sorted by centre, neighbour and shift.

    Atoms ``offsets[s]`` … ``offsets[s + 1] - 1`` belong to structure s. The vector of an edge is
    r = x_neighbour − x_centre + Σ_k shift_k a_k with a_k the rows of the cell, evaluated in float64 in this
    order, so an edge and its reverse are judged alike. Rows of directions that are not periodic do not
    matter. An atom is no neighbour of itself, but of its images. Nothing here can be differentiated.
    """
    x, cell = positions.detach().double(), cell.detach().double()
    dual, bounds = dual_vectors(cell, pbc), offsets.tolist()
    none = offsets.new_zeros(0)
    parts = [(none, none, none.reshape(0, 3))]
    for s in range(len(cell)):
        here = torch.arange(bounds[s], bounds[s + 1], device=x.device)
        images = images_in_reach(x[here], dual[s], cutoff)
        for some in here.split(max(1, _PAIRS // max(len(here), 1))):
            between = x[here] - x[some, None]
            for shifts in images.split(max(1, _PAIRS // max(len(some) * len(here), 1))):
                d = between
                for k in range(3):
                    d = d + shifts[:, None, None, k, None] * cell[s, k]
                r = d[..., 0] * d[..., 0] + d[..., 1] * d[..., 1] + d[..., 2] * d[..., 2]
                other = (some[:, None] != here) | shifts.any(1)[:, None, None]
                t, i, j = ((r < cutoff * cutoff) & other).nonzero(as_tuple=True)
                parts.append((some[i], here[j], shifts[t]))
    centre, neighbour, shift = (torch.cat(columns) for columns in zip(*parts, strict=True))
    order = torch.arange(len(centre), device=x.device)
    for column in (shift[:, 2], shift[:, 1], shift[:, 0], neighbour, centre):
        order = order[column[order].argsort(stable=True)]
    return centre[order], neighbour[order], shift[order]


def images_in_reach(
    positions: Float[Tensor, "atoms 3"], dual: Float[Tensor, "3 3"], cutoff: float
) -> Int[Tensor, "images 3"]:
    """Integer shifts that may bring some atom within ``cutoff`` of another.

    Planes of fractional coordinate f_k = x·b_k are 1/|b_k| apart, b_k a column of ``dual``; atoms that differ
    by Δf_k are therefore at least |Δf_k + s_k| / |b_k| apart, whatever the skew of the cell.
    """
    f = positions @ dual
    spread = f.amax(0) - f.amin(0) if len(f) else f.new_zeros(3)
    reach = (spread + cutoff * dual.norm(dim=0)).ceil().long()
    return torch.cartesian_prod(*(torch.arange(-k, k + 1, device=f.device) for k in reach.tolist()))


def dual_vectors(
    cell: Float[Tensor, "structures 3 3"], pbc: Bool[Tensor, "structures 3"]
) -> Float[Tensor, "structures 3 3"]:
    """Columns b_k with a_i·b_k = δ_ik in the span of the periodic rows a_i; zero where not periodic."""
    if not bool(pbc.any()):
        return torch.zeros_like(cell)
    full = pbc.all(1)
    if bool(full.all()):
        return torch.linalg.inv(cell)
    dual = torch.zeros_like(cell)
    if bool(full.any()):
        dual[full] = torch.linalg.inv(cell[full])
    mixed = pbc.any(1) & ~full
    if bool(mixed.any()):
        dual[mixed] = torch.linalg.pinv(cell[mixed] * pbc[mixed, :, None]) * pbc[mixed, None, :]
    return dual
