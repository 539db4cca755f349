"""TrainingState: all that changes while training; saved and restored, a run continues bit for bit."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from atomscape.learn.checkpoint import FORMAT, read_tensors, upgraded, write_tensors
from atomscape.learn.ema import Average
from atomscape.learn.machines.sharding import spread_as, whole_state
from atomscape.learn.weighting.weights import FixedWeights
from atomscape.shapes import Tensor


@dataclass
class Progress:
    """Where a run stands: the next batch to do, what the epoch has summed, the best so far, time used."""

    epoch: int = 0
    batch: int = 0
    step: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    best: float | None = None
    best_epoch: int | None = None
    without_improvement: int = 0
    finished: bool = False
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    log_bytes: int = 0


@dataclass
class TrainingState:
    """The live objects of a run, in one place so that one file can hold them."""

    model: nn.Module
    optimiser: torch.optim.Optimizer
    average: Average
    weighting: Any = field(default_factory=FixedWeights)
    progress: Progress = field(default_factory=Progress)
    scaler: Any = None

    def save(self, path: Path, run: dict[str, Any], write: bool = True) -> None:
        """Write everything; ``run`` identifies the config and the data.

        Where the model is spread over processes all have to save, and one of them to ``write``.
        """
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in self.average.values.items()}
        tensors |= {f"weighting.{k}": v for k, v in self.weighting.state_dict().items()}
        tensors |= _optimiser_tensors(self.optimiser)
        tensors["random.torch"] = torch.get_rng_state()
        if torch.cuda.is_available():
            tensors["random.cuda"] = torch.cuda.get_rng_state()
        header = {
            "kind": "training state",
            "format": FORMAT,
            "atomscape": run["atomscape"],
            "progress": asdict(self.progress),
            "run": run,
            "scaler": self.scaler.state_dict() if self.scaler is not None else None,
        }
        tensors = whole_state(tensors)
        if write:
            write_tensors(path, tensors, header)

    def load(self, path: Path) -> None:
        """Restore everything from a file written by ``save``."""
        tensors, header = read_tensors(path)
        header = upgraded(header, path)
        own = self.model.state_dict()
        weights = _under("model.", tensors)
        self.model.load_state_dict({k: spread_as(v, own[k]) if k in own else v for k, v in weights.items()})
        for name, value in _under("average.", tensors).items():
            self.average.values[name].copy_(spread_as(value, self.average.values[name]))
        self.weighting.load_state_dict(_under("weighting.", tensors))
        _restore_optimiser(self.optimiser, tensors)
        torch.set_rng_state(tensors["random.torch"])
        if "random.cuda" in tensors and torch.cuda.is_available():
            torch.cuda.set_rng_state(tensors["random.cuda"])
        if self.scaler is not None and header["scaler"]:
            self.scaler.load_state_dict(header["scaler"])
        self.progress = Progress(**header["progress"])


def read_run(path: Path) -> dict[str, Any]:
    """What a saved state says about its config and data."""
    return read_tensors(path)[1]["run"]


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Moments by number of the parameter; AdamW keeps nothing but tensors."""
    state = optimiser.state_dict()["state"]
    return {f"optimiser.{i}.{k}": torch.as_tensor(v) for i, s in state.items() for k, v in s.items()}


def _restore_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    for name, value in _under("optimiser.", tensors).items():
        number, key = name.split(".")
        state.setdefault(int(number), {})[key] = spread_as(value, parameters[int(number)])
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
