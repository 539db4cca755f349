"""The convolution on GPUs of any vendor: Triton kernels written out from the Clebsch–Gordan tables."""

from __future__ import annotations

import torch

from atomscape.ops.convolution import Coupling
from atomscape.ops.gpu.available import reason
from atomscape.ops.jit.axes import check_convolution
from atomscape.shapes import Float, Int, Tensor

HIGHEST = 6
"""Highest degree: beyond it the kernels are too many to compile in reasonable time."""


def serves(
    x: Tensor, Y: Tensor, w: Tensor, centre: Tensor, neighbour: Tensor, coupling: Coupling
) -> str | None:
    """``None`` if Triton can serve the call, else why not."""
    degree = max(coupling.l_in, coupling.l_edge, coupling.l_out)
    if degree > HIGHEST:
        return f"degree {degree} is above {HIGHEST}"
    return reason(x, Y, w, indices=(centre, neighbour))


def run(
    x: Float[Tensor, "atoms lm_in channels"],
    Y: Float[Tensor, "edges lm_edge"],
    w: Float[Tensor, "edges paths channels"],
    centre: Int[Tensor, " edges"],
    neighbour: Int[Tensor, " edges"],
    coupling: Coupling,
) -> Float[Tensor, "atoms lm_out channels"]:
    """Same signature and result as ``atomscape.ops.convolution.convolution``; edges sorted by centre.

    Raises
    ------
    ValueError
        Shapes do not fit one another.
    RuntimeError
        The edges are not sorted by centre, or an index is no row of ``x``.
    """
    from atomscape.ops.gpu.convolution import convolution
    from atomscape.ops.gpu.ends import Ends

    given = {"x": x, "Y": Y, "w": w, "centre": centre, "neighbour": neighbour}
    check_convolution(coupling, given)
    ends = Ends.of(centre, neighbour, x.shape[0], sent=torch.is_grad_enabled() and x.requires_grad)
    return convolution(x, Y, w, ends, coupling)
