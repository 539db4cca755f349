"""Many-body layer (MACE, Batatia et al. 2022, arXiv:2206.07697, eq. 10 and 11), with weights by element.

    m[i, L M, c] = Σ_paths w[Z_i, path, c] p_path,M(x[i, :, c])

x is a sum over neighbours, as a convolution returns it; a product of ν of its rows sees ν neighbours at once.
Channels are mixed before and after, by self-interactions.
"""

from __future__ import annotations

import torch
from torch import nn

from atomscape.nn.layout import Layout
from atomscape.nn.species import N_ELEMENTS, element_descriptors
from atomscape.ops.symmetric_contraction import SymmetricCoupling, symmetric_contraction
from atomscape.shapes import Float, Int, Tensor


class ManyBodyProduct(nn.Module):
    """All symmetric products of up to ``correlation`` features of an atom, weighted by element and channel.

    ``l_out`` is the largest degree of the result, by default that of ``layout``; the result has the layout
    ``layout_out``. Weights start from the periodic table, as the species embedding does: like elements start
    close and part as the data demand.
    """

    def __init__(self, layout: Layout, channels: int, correlation: int, l_out: int | None = None) -> None:
        super().__init__()
        self.layout_out = Layout(layout.l_max if l_out is None else l_out, layout.parity)
        self.coupling = SymmetricCoupling(layout.l_max, self.layout_out.l_max, correlation, layout.parity)
        descriptors = element_descriptors().to(torch.get_default_dtype())
        size = len(self.coupling.paths) * channels
        shared, mix = torch.randn(size), torch.randn(descriptors.shape[1], size)
        weight = (shared + descriptors @ mix / descriptors.shape[1] ** 0.5) / 2**0.5
        self.weight = nn.Parameter(weight.view(N_ELEMENTS, -1, channels))

    def forward(
        self, x: Float[Tensor, "atoms lm channels"], numbers: Int[Tensor, " atoms"]
    ) -> Float[Tensor, "atoms lm_out channels"]:
        """Products of each atom's features; ``numbers`` are atomic numbers."""
        return symmetric_contraction(x, self.weight, numbers, self.coupling)
