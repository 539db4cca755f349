"""Trackers of a run: plug-ins of the folder ``trackers``, started through accelerate."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from accelerate import Accelerator

from atomscape.find import find


def start_trackers(accelerator: Accelerator, names: Sequence[str], folder: Path, run: str) -> None:
    """Start each tracker once; from then on ``accelerator.log`` reaches them.

    Raises
    ------
    ValueError
        The package that a tracker is of is not installed.
    LookupError
        No such tracker.
    """
    modules = {name: find("learn.trackers", name) for name in dict.fromkeys(names)}
    for name, module in modules.items():
        if find_spec(module.NEEDS) is None:
            extra = "'atomscape[tensorboard]'" if name == "tensorboard" else module.NEEDS
            raise ValueError(
                f"training.trackers: {name} needs the package {module.NEEDS}; install it with "
                f"pip install {extra}, or leave the tracker out"
            )
    if modules:
        accelerator.log_with = [module.build(folder, run) for module in modules.values()]
        accelerator.init_trackers(run)


def finish_trackers(accelerator: Accelerator) -> None:
    """Close what was started; the processes go on."""
    for tracker in accelerator.trackers:
        tracker.finish()
