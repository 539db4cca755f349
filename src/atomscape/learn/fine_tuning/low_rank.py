"""Low-rank adapters (LoRA, Hu et al. 2021, arXiv:2106.09685, eq. 3): W + scale · B A; only B and A learn.

A matrix is told by its shape, so any encoder can be adapted: the last two axes of a parameter mix channels,
axes before them count matrices, as in a self-interaction that has one for each degree and parity. Each of
these gets a pair of its own, so what was equivariant stays so. B starts at zero: at first nothing changes.
A parameter is left as it is where the pair would hold as many numbers as the matrix itself, and vectors are.

While it trains a model is the original and its pairs; ``merged`` is the state of a plain model of the same
architecture that predicts the same bits.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import parametrize

from atomscape.learn.fine_tuning.options import LowRank
from atomscape.learn.parameters import named
from atomscape.shapes import Float, Tensor


class LowRankUpdate(nn.Module):
    """``W + scale · B A`` for matrices W of one shape; B is ``[…, rows, rank]``, A ``[…, rank, columns]``."""

    def __init__(self, weight: Float[Tensor, "*matrices rows columns"], rank: int, scale: float) -> None:
        super().__init__()
        *many, rows, columns = weight.shape
        self.scale = scale
        self.B = nn.Parameter(weight.new_zeros(*many, rows, rank))
        self.A = nn.Parameter(torch.randn(*many, rank, columns).to(weight) / columns**0.5)

    def forward(
        self, weight: Float[Tensor, "*matrices rows columns"]
    ) -> Float[Tensor, "*matrices rows columns"]:
        """The matrices in use."""
        return weight + self.scale * (self.B @ self.A)


def adapt(model: nn.Module, lora: LowRank) -> int:
    """Freeze what ``lora.parts`` names, and give its matrices a low-rank update; return how many parameters.

    What is frozen before stays without an update.

    Raises
    ------
    ValueError
        No such part, or no matrix in it that would need fewer numbers than it has.
    """
    parameters = dict(model.named_parameters())
    names = dict.fromkeys(n for part in lora.parts for n in named(model, part, "training.lora.parts"))
    adapted = [n for n in names if parameters[n].requires_grad and _saves(parameters[n], lora.rank)]
    if not adapted:
        sizes = {tuple(parameters[n].shape) for n in names if parameters[n].dim() > 1}
        raise ValueError(
            f"training.lora: rank {lora.rank} saves nothing on matrices of {', '.join(lora.parts)}, or they "
            f"are frozen; their shapes are {', '.join(map(str, sorted(sizes))) or 'none'}. Use a smaller rank"
        )
    for name in names:
        parameters[name].requires_grad_(False)
    for name in adapted:
        path, _, key = name.rpartition(".")
        update = LowRankUpdate(parameters[name].detach(), lora.rank, lora.scale)
        parametrize.register_parametrization(model.get_submodule(path), key, update, unsafe=True)
    return len(adapted)


def merged(model: nn.Module) -> dict[str, Tensor]:
    """State of a model with every low-rank update added to its matrix: that of a plain model."""
    state = model.state_dict()
    for path, module in model.named_modules():
        if not parametrize.is_parametrized(module):
            continue
        updates = module.get_submodule("parametrizations")
        inside = f"{path}.parametrizations." if path else "parametrizations."
        state = {k: v for k, v in state.items() if not k.startswith(inside)}
        state |= {f"{path}.{key}".lstrip("."): update().detach() for key, update in updates.named_children()}
    return state


def _saves(weight: Tensor, rank: int) -> bool:
    return weight.dim() > 1 and rank * sum(weight.shape[-2:]) < weight.shape[-2] * weight.shape[-1]
