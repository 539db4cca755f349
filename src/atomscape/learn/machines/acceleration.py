"""Device, processes and precision of a run, through accelerate."""

from __future__ import annotations

from typing import Any, cast

from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs
from torch import nn

from atomscape.learn.config import RunConfig, Training
from atomscape.learn.machines.compiling import compiled
from atomscape.learn.machines.ranks import TIMEOUT, take_slurm
from atomscape.learn.model import Model


def accelerator_of(config: RunConfig) -> Accelerator:
    """Joins the processes that torchrun or srun started, and chooses device and precision."""
    AcceleratorState._reset_state(True)  # accelerate keeps the precision of the former run of a process
    take_slurm()
    return Accelerator(
        mixed_precision=config.training.precision,
        cpu=config.training.device == "cpu",
        kwargs_handlers=[
            DistributedDataParallelKwargs(find_unused_parameters=True),
            InitProcessGroupKwargs(timeout=TIMEOUT),
        ],
    )


def called(accelerator: Accelerator, model: Model, t: Training) -> Any:
    """The model as it is called in training: in the precision asked for, gradients joined, compiled if asked.

    Raises
    ------
    ValueError
        It cannot be compiled.
    """
    joined = not t.sharded  # a model that is spread over the processes joins its gradients itself
    whole = cast(nn.Module, compiled(model)) if t.compile else model
    return accelerator.prepare_model(whole, evaluation_mode=not joined)
