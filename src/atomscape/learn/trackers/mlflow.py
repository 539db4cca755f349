"""MLflow: the run's name is the experiment, its folder the run; ``MLFLOW_TRACKING_URI`` says where to."""

from __future__ import annotations

from pathlib import Path

from accelerate.tracking import GeneralTracker, MLflowTracker

NEEDS = "mlflow"


def build(folder: Path, name: str) -> GeneralTracker:
    """One run per start."""
    return MLflowTracker(experiment_name=name, run_name=folder.name)
