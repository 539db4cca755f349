"""Tetris in space: eight shapes seen once each, known again turned, moved and mirrored.

The shape classification of tensor field networks (Thomas et al. 2018, arXiv:1802.08219, sec. 5.1), with the
translations that its code computed and did not apply, and with reflections. A network is trained for each
kind of symmetry. Where handedness is known (both parities, SO(3)) the two chiral shapes are told apart, and
the mirror image of one is called the other. With natural parity a shape and its mirror image get the same
answer, so those two cannot be two classes, and count as one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field
from rich.console import Console

from atomscape.data.load import load
from atomscape.data.sources.tetris import MIRRORED, NAMES
from atomscape.learn.checkpoint import load_model
from atomscape.learn.config import RunConfig
from atomscape.learn.confusion import ClassOutputs, class_outputs
from atomscape.learn.experiment import Options, Outcome, Value, trained
from atomscape.learn.recipe import parse_config

TARGET = "all 400 moved shapes right, in every mode; mirror images the same to 1e-9 with natural parity"

RUN = """
name: tetris
dtype: float64
data: [{name: tetris, source: tetris, split: {kind: store}}]
encoder: {kind: tfn, cutoff: 5.0, radial_hidden: 16}
objectives: [{property: shape_class, head: {kind: classes, count: 8, hidden: 32}}]
training: {batch: {structures: 8}, ema: 0.9, warm_up: 0.1, evaluate_every: 25, checkpoint_every: 25}
"""

MODES = {"both": "both parities", "so3": "SO(3)", "natural": "natural parity"}
CHIRAL = tuple(MIRRORED)


class Config(Options):
    """Size of the network and length of the training."""

    l_max: int = Field(1, ge=1)
    layers: int = Field(3, ge=1)
    channels: int = Field(8, ge=1)
    epochs: int = Field(150, ge=1)
    learning_rate: float = Field(0.005, gt=0)


def run(config: Config, out: Path, console: Console) -> Outcome:
    """Train a network of each mode, and show each the moved shapes."""
    store, values = load("tetris"), []
    details: dict[str, Any] = {"shapes": NAMES}
    for mode, title in MODES.items():
        results = trained(training(config, mode), out / mode, console)
        seen = class_outputs(load_model(out / mode), store, "test", "shape_class")
        details[mode] = {
            "confusion": seen.confusion().tolist(),
            "right": seen.right,
            "parameters": results.n_parameters,
            "cpu_seconds": results.cpu_seconds,
        }
        if mode == "natural":
            values += mirrored_alike(seen, title)
        else:
            values.append(Value(f"{title}: right", seen.right, "%", 100.0))
    shares = ", ".join(f"{v.value:.4g} % {v.name.split(':')[0]}" for v in values if v.unit == "%")
    return Outcome(f"tetris: of {len(seen.ids)} moved shapes right: {shares}", tuple(values), details)


def training(config: Config, mode: str) -> RunConfig:
    """The training of one mode."""
    own = {
        "seed": config.seed,
        "encoder.parity": mode,
        "encoder.unit_filters": mode != "natural",
        "encoder.l_max": config.l_max,
        "encoder.layers": config.layers,
        "encoder.channels": config.channels,
        "objectives.0.head.chiral": str(mode == "both").lower(),
        "training.epochs": config.epochs,
        "training.learning_rate": config.learning_rate,
        "training.threads": config.threads,
    }
    return parse_config(RUN, [f"{key}={value}" for key, value in own.items()])


def mirrored_alike(seen: ClassOutputs, title: str) -> list[Value]:
    """What O(3) can know: shapes up to reflection, and one answer for every image of the chiral pair."""
    pair = [k for k, label in enumerate(seen.labels.tolist()) if label in CHIRAL]
    alike = seen.log_p[pair]
    spread = float((alike.amax(0) - alike.amin(0)).max())
    one = {label: min(label, image) for label, image in MIRRORED.items()}
    right = sum(
        one.get(a, a) == one.get(b, b)
        for a, b in zip(seen.labels.tolist(), seen.predicted.tolist(), strict=True)
    )
    return [
        Value(f"{title}: right, the chiral pair as one shape", 100 * right / len(seen.ids), "%", 100.0),
        Value(f"{title}: spread of log p over the chiral pair", spread, "1", 1e-9, "at most"),
    ]
