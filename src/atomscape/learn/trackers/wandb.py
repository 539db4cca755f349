"""Weights & Biases: the run's name is the project, its folder the run, which resuming continues.

Who is logged in, and whether anything is sent, wandb reads from its own settings (``WANDB_MODE=offline``).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from accelerate.tracking import GeneralTracker, WandBTracker

NEEDS = "wandb"


def build(folder: Path, name: str) -> GeneralTracker:
    """One run per folder."""
    identifier = hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:16]
    return WandBTracker(name, name=folder.name, id=identifier, resume="allow", dir=str(folder))
