"""Convolution whose radial weights are made from factors: w[e] = Σ_k h[e, k] W[k].

A filter is a radial network, and its last layer is linear: h are the activations before it, W its weights.
Written apart, the array w [edges, paths, channels] does not have to exist, which is most of the memory of a
layer. Where ``start`` is given, an edge takes only the rows W[start[e]] … W[start[e] + rank − 1]: a table
that is interpolated (``ops.radial_table``).
"""

from __future__ import annotations

import torch

from atomscape.ops.convolution import Coupling, convolution
from atomscape.ops.op import Op
from atomscape.shapes import Float, Int, Tensor


@Op
def radial_convolution(
    x: Float[Tensor, "atoms lm_in channels"],
    Y: Float[Tensor, "edges lm_edge"],
    h: Float[Tensor, "edges rank"],
    W: Float[Tensor, "rows paths channels"],
    centre: Int[Tensor, " edges"],
    neighbour: Int[Tensor, " edges"],
    coupling: Coupling,
    start: Int[Tensor, " edges"] | None = None,
) -> Float[Tensor, "atoms lm_out channels"]:
    """Convolution with w = h W, or w[e] = Σ_k h[e, k] W[start[e] + k]; linear in each of x, Y, h and W."""
    return convolution(x, Y, radial_weights(h, W, start), centre, neighbour, coupling)


def radial_weights(
    h: Float[Tensor, "edges rank"],
    W: Float[Tensor, "rows paths channels"],
    start: Int[Tensor, " edges"] | None = None,
) -> Float[Tensor, "edges paths channels"]:
    """Weights of every edge, written out."""
    if start is None:
        return (h @ W.flatten(1)).unflatten(1, W.shape[1:])
    rows = start.unsqueeze(1) + torch.arange(h.shape[1], device=h.device)
    return torch.einsum("ek,ekpc->epc", h, W[rows])
