"""Many-body layer (MACE, Batatia et al. 2022, arXiv:2206.07697, eq. 10 and 11), with weights by element.

    m[i, L M, c] = Σ_paths w[Z_i, path, c] p_path,M(x[i, :, c])

x is a sum over neighbours, as a convolution returns it; a product of ν of its rows sees ν neighbours at once.
Channels are mixed before and after, by self-interactions.
"""

from __future__ import annotations

from torch import nn

from atomscape.nn.element_weights import ElementWeights
from atomscape.nn.kinds import Kinds
from atomscape.nn.layout import Layout
from atomscape.ops.symmetric_contraction import SymmetricCoupling, symmetric_contraction
from atomscape.shapes import Float, Tensor


class ManyBodyProduct(nn.Module):
    """All symmetric products of up to ``correlation`` features of an atom, weighted by element and channel.

    ``l_out`` is the largest degree of the result, by default that of ``layout``; the result has the layout
    ``layout_out``. ``numbers`` says how many numbers of an element its weights are made of.
    """

    def __init__(
        self, layout: Layout, channels: int, correlation: int, l_out: int | None = None, numbers: int = 8
    ) -> None:
        super().__init__()
        self.layout_out = Layout(layout.l_max if l_out is None else l_out, layout.parity)
        self.coupling = SymmetricCoupling(layout.l_max, self.layout_out.l_max, correlation, layout.parity)
        self.weights = ElementWeights((len(self.coupling.paths), channels), numbers)

    def forward(
        self, x: Float[Tensor, "atoms lm channels"], kinds: Kinds
    ) -> Float[Tensor, "atoms lm_out channels"]:
        """Products of each atom's features."""
        return symmetric_contraction(x, self.weights(kinds), kinds.index, self.coupling)
