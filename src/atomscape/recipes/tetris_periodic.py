"""Tetris for crystals: twenty structure types seen once each, known again in any cell, strained and rattled.

The idea is that of se3cnn (M. Geiger et al. 2018, examples/point/structure.py), for more types and more ways
to write a crystal down. A network sees one conventional cell of each type. It is then shown each type turned
and mirrored, strained by up to 1 %, rattled by 0.03 Å, in its primitive cell, in supercells, from other
origins, and in all of these ways at once. Elements and bond lengths do not tell the types apart; how often
each element occurs does in part, so the best that the composition alone could do stands beside. The weights
that are kept are those that know the validation part best: another changed crystal of each kind.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import Field
from rich.console import Console

from atomscape.data.load import load
from atomscape.data.sources.crystal_prototypes import CHANGES, NAMES
from atomscape.data.store import Store
from atomscape.learn.checkpoint import load_model
from atomscape.learn.config import RunConfig
from atomscape.learn.confusion import class_outputs
from atomscape.learn.experiment import Options, Outcome, Value, trained
from atomscape.learn.recipe import parse_config

TARGET = "all 1,120 changed crystals right"

RUN = f"""
name: tetris-periodic
data: [{{name: crystal_prototypes, source: crystal_prototypes, split: {{kind: store}}}}]
encoder: {{kind: tfn, cutoff: 6.0}}
objectives: [{{property: prototype, head: {{kind: classes, count: {len(NAMES)}}}}}]
training:
  batch: {{structures: 20}}
  warm_up: 0.1
  ema: 0.9
  clip: 1.0
  weight_decay: 0.01
  evaluate_every: 10
  checkpoint_every: 50
"""


class Config(Options):
    """Size of the network and length of the training."""

    l_max: int = Field(4, ge=0)
    layers: int = Field(1, ge=1)
    channels: int = Field(16, ge=1)
    epochs: int = Field(200, ge=1)
    learning_rate: float = Field(0.003, gt=0)


def run(config: Config, out: Path, console: Console) -> Outcome:
    """Train on the conventional cells, and name the changed crystals."""
    store = load("crystal_prototypes")
    results = trained(training(config), out / "run", console)
    seen = class_outputs(load_model(out / "run"), store, "test", "prototype")
    change = np.array([name.split("-")[-2] for name in seen.ids])
    values = [Value(c, seen.of(np.flatnonzero(change == c)).right, "%", 100.0) for c in CHANGES]
    values.append(Value("best by composition alone", by_composition(store), "%"))
    details = {
        "types": NAMES,
        "confusion": seen.confusion().tolist(),
        "least_probability_of_the_right_type": float(
            seen.log_p.gather(1, seen.labels.unsqueeze(1)).min().exp()
        ),
        "parameters": results.n_parameters,
        "cpu_seconds": results.cpu_seconds,
    }
    figure = f"tetris-periodic: {seen.right:.4g} % of {len(seen.ids)} changed crystals right"
    return Outcome(figure, tuple(values), details)


def training(config: Config) -> RunConfig:
    """The training on one conventional cell of each type."""
    own = {
        "seed": config.seed,
        "encoder.l_max": config.l_max,
        "encoder.layers": config.layers,
        "encoder.channels": config.channels,
        "training.epochs": config.epochs,
        "training.learning_rate": config.learning_rate,
        "training.threads": config.threads,
    }
    return parse_config(RUN, [f"{key}={value}" for key, value in own.items()])


def by_composition(store: Store) -> float:
    """Percent right at best for who knows the shares of the elements only: one type of each composition."""
    shares = {}
    for s in store[store.split("train").tolist()]:
        z, n = np.unique(s.numbers.numpy(), return_counts=True)
        shares[int(s.labels["prototype"])] = (tuple(z), tuple(n // np.gcd.reduce(n)))
    return 100 * len(set(shares.values())) / len(shares)
