"""Device, processes and precision of a run, through accelerate."""

from __future__ import annotations

from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs

from atomscape.learn.config import RunConfig
from atomscape.learn.ranks import TIMEOUT, take_slurm


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
