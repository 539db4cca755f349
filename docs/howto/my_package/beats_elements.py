"""Partial charges of molecules, against what the element alone tells."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from rich.console import Console

from atomscape.learn.experiment import Options, Outcome, Value, trained
from atomscape.learn.recipe import parse_config

TARGET = "less than 40 % of the error of the mean of each element"

RUN = """
data:
  - {name: sample, source: sample, split: {kind: random, train: 400, val: 100, test: 100}}
encoder: {kind: tfn, l_max: 1, channels: 16, layers: 2, cutoff: 4.0}
objectives:
  - {property: charges}
training: {batch: {structures: 16}, learning_rate: 0.01, ema: 0.95}
"""


class Config(Options):
    """How long to train."""

    epochs: int = Field(10, ge=1)


def run(config: Config, out: Path, console: Console) -> Outcome:
    """Train, or take up a training that was killed, and compare the errors on the test part."""
    settings = [f"seed={config.seed}", f"training.epochs={config.epochs}"]
    results = trained(parse_config(RUN, settings), out / "run", console)
    ours, trivial = results.metrics["test"][0].mae, results.baselines["composition"]["test"][0].mae
    share = Value("error over the elements' error", 100 * ours / trivial, "%", 40.0, "at most")
    return Outcome(f"charges: {share}", (share, Value("MAE", ours, "e")))
