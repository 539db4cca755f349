"""A model whose weights, gradients and moments are spread over the processes (FSDP2), forces included.

The whole model is one unit: before a step the processes exchange their shares, so that each holds all weights
while it computes; afterwards each keeps its share again. Forces are derivatives taken inside the forward
pass, where the weights have to stay together. So memory is saved on gradients, on the optimiser's moments and
on the average of the weights, not on the weights in use.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import cast

from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from atomscape.learn.machines.ranks import Ranks
from atomscape.shapes import Tensor


def shard(model: nn.Module, ranks: Ranks, precision: str) -> None:
    """Spread a model's parameters over the processes, in place; the optimiser is made afterwards.

    Raises
    ------
    ValueError
        There is one process only, or gradients are scaled (fp16).
    """
    if ranks.count == 1:
        raise ValueError(
            "training.sharded spreads a model over processes and there is one; start several "
            "(torchrun --nproc-per-node N -m atomscape train …), or leave it out"
        )
    if precision == "fp16":
        raise ValueError("training.sharded does not go with precision fp16; use bf16, or no")
    device = str(ranks.device).partition(":")[0]
    fully_shard(model, mesh=init_device_mesh(device, (ranks.count,)), reshard_after_forward=False)


@contextmanager
def together(model: nn.Module) -> Iterator[None]:
    """All weights of a sharded model are at hand in every process while this lasts; others are left alone."""
    if not isinstance(model, FSDPModule):
        yield
        return
    model.unshard()
    try:
        yield
    finally:
        model.reshard()


def whole(value: Tensor) -> Tensor:
    """The full tensor of one that is spread; all processes have to ask. Others as they are."""
    return value.full_tensor() if isinstance(value, DTensor) else value


def whole_state(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Full tensors by name."""
    return {name: whole(value) for name, value in tensors.items()}


def spread_as(full: Tensor, like: Tensor) -> Tensor:
    """A full tensor, spread as another one of the same shape is."""
    if not isinstance(like, DTensor) or full.shape != like.shape:
        return full
    full = full.to(cast(Tensor, like.to_local()))
    return distribute_tensor(full, like.device_mesh, like.placements)
