"""A model whose weights, gradients and moments are spread over the processes (FSDP2), forces included.

The whole model is one unit: before a step the processes exchange their shares, so that each holds all weights
while it computes; afterwards each keeps its share again. Forces are derivatives taken inside the forward
pass, where the weights have to stay together. So memory is saved on gradients, on the optimiser's moments and
on the average of the weights, not on the weights in use.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from torch import nn

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
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    device = str(ranks.device).partition(":")[0]
    fully_shard(model, mesh=init_device_mesh(device, (ranks.count,)), reshard_after_forward=False)


@contextmanager
def together(model: nn.Module) -> Iterator[None]:
    """All weights of a sharded model are at hand in every process while this lasts; others are left alone."""
    if not _is("torch.distributed.fsdp", "FSDPModule", model):
        yield
        return
    sharded = cast(Any, model)
    sharded.unshard()
    try:
        yield
    finally:
        sharded.reshard()


def whole(value: Tensor) -> Tensor:
    """The full tensor of one that is spread; all processes have to ask. Others as they are."""
    return cast(Any, value).full_tensor() if _is("torch.distributed.tensor", "DTensor", value) else value


def whole_state(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Full tensors by name."""
    return {name: whole(value) for name, value in tensors.items()}


def spread_as(full: Tensor, like: Tensor) -> Tensor:
    """A full tensor, spread as another one of the same shape is."""
    if not _is("torch.distributed.tensor", "DTensor", like) or full.shape != like.shape:
        return full
    from torch.distributed.tensor import distribute_tensor

    spread = cast(Any, like)
    return distribute_tensor(full.to(spread.to_local()), spread.device_mesh, spread.placements)


def _is(module: str, name: str, value: object) -> bool:
    """Whether a value is of a class of torch.distributed; while its module is not loaded, nothing is.

    Loading it takes a second, which a program of one process need not wait for.
    """
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(value, getattr(loaded, name))
