"""TensorBoard: files in the run's folder, shown by ``tensorboard --logdir RUN``."""

from __future__ import annotations

from pathlib import Path

from accelerate.tracking import GeneralTracker, TensorBoardTracker

NEEDS = "tensorboard"


def build(folder: Path, name: str) -> GeneralTracker:
    """Writes to ``folder/tensorboard``."""
    return TensorBoardTracker("tensorboard", folder)
