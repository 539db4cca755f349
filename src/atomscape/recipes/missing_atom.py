"""Missing atoms of QM9: where was the atom that was removed, and which element is it?

The protocol of Thomas et al. 2018 (arXiv:1802.08219, sec. 5.3): 1,000 random molecules of 5 to 18 atoms
train, each is seen 200 times with one atom removed at random; then every atom of 1,000 molecules with 19,
with 23 and with 25 to 29 atoms is removed in turn. Right is a first proposal of the right element within
0.5 Å.

``network=tfn`` (the default) is the position density on a tensor field network up to l = 3;
``network=2018`` is the network and the averaged vote as published.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field
from rich.console import Console

from atomscape.data.load import load
from atomscape.data.splits import Split, index_file_split, random_split, write_index_file
from atomscape.data.store import Store
from atomscape.generate.scoring import ask, proposer, report
from atomscape.learn.checkpoint import load_model, write_atomic
from atomscape.learn.config import RunConfig
from atomscape.learn.experiment import Options, Outcome, Value, trained
from atomscape.learn.recipe import validate

TARGET = "≥ 97 / 98 / 98.5 % right and ≤ 0.10 Å off on 19 / 23 / 25–29 atoms; N and O ≥ 85 % on 19 atoms"

SMALL = {"train": 1000, "val": 200, "test": 1000}
"""Molecules of 5 to 18 atoms."""

LARGER = {"test_19": (19, 19), "test_23": (23, 23), "test_25_29": (25, 29)}
"""Tests on molecules larger than any that trains, of so many atoms, 1,000 each."""

RIGHT = {"test_19": 97.0, "test_23": 98.0, "test_25_29": 98.5}
"""Targets in percent."""

LEFT_OUT = ("val",)
"""Parts that chose the model; their scores would say nothing."""


class Config(Options):
    """Options; ``molecules`` shortens every test."""

    network: Literal["tfn", "2018"] = "tfn"
    epochs: Annotated[int, Field(ge=1)] = 200
    molecules: Annotated[int, Field(ge=1, le=1000, description="of each part that are scored")] = 1000


def run(config: Config, out: Path, console: Console) -> Outcome:
    """Train, take out every atom of the test molecules in turn, and score."""
    qm9, split = load("qm9"), out / "split.json"
    if not split.is_file():
        write_index_file(split, missing_atom_split(qm9, config.seed), qm9, config.seed, prefix="gdb_")
    trained(training(config, split), out / "run", console)
    scores = score(out / "run", split, out / "scores", console, config.molecules)
    return outcome(scores)


def missing_atom_split(qm9: Store, seed: int) -> Split:
    """Sizes of Thomas et al. 2018: train on small molecules, test on other small ones and on larger ones."""
    counts = np.asarray(qm9.counts)
    split = random_split(np.flatnonzero((counts >= 5) & (counts <= 18)), SMALL, seed)
    for name, (low, high) in LARGER.items():
        split |= random_split(np.flatnonzero((counts >= low) & (counts <= high)), {name: 1000}, seed)
    return split


def training(config: Config, split: Path) -> RunConfig:
    """The run of a network; both see the same molecules."""
    data = {"name": "qm9", "source": "qm9", "corrupt": {"kind": "remove_atoms"}}
    data |= {"split": {"kind": "file", "path": str(split.absolute())}}
    if config.network == "2018":
        encoder, head = ({"kind": f"atomscape.recipes.tfn_2018.{part}"} for part in ("network", "vote"))
        how: dict[str, Any] = {"batch": {"structures": 2}, "learning_rate": 0.001, "final_learning_rate": 1.0}
        how |= {"warm_up": 0.0, "weight_decay": 0.0, "betas": (0.9, 0.999), "clip": None, "ema": 0.0}
    else:
        encoder, head = {"kind": "tfn", "l_max": 3, "channels": 64, "layers": 3}, {"kind": "complete"}
        how = {"batch": {"structures": 8}, "weight_decay": 0.01, "ema": 0.999}
    return validate(
        {
            "name": "missing_atom",
            "seed": config.seed,
            "data": [data],
            "encoder": encoder,
            "objectives": [{"property": "missing_atoms", "head": head}],
            "training": how | {"epochs": config.epochs, "evaluate_every": 5, "threads": config.threads},
        }
    )


def score(run: Path, split: Path, kept: Path, console: Console, molecules: int = 1000) -> dict[str, Any]:
    """Scores on each part of a split, and the seconds that all removals of it took; parts done are read."""
    qm9, propose, scores = load("qm9"), proposer(load_model(run)), {}
    kept.mkdir(parents=True, exist_ok=True)
    for part, rows in index_file_split(split, qm9).items():
        if part in LEFT_OUT:
            continue
        file = kept / f"{part}.json"
        if not file.is_file():
            begin = time.perf_counter()
            made = report(ask(propose, qm9, rows[:molecules]))
            made |= {"seconds": round(time.perf_counter() - begin, 1)}
            write_atomic(file, (json.dumps(made, indent=1) + "\n").encode())
        scores[part] = json.loads(file.read_text())
        shown = (scores[part][k]["value"] for k in ("accuracy", "balanced_accuracy", "distance_mae"))
        line = "{:11s} right {:.2%}   mean over elements {:.2%}   off by {:.3f} Å"
        console.print(line.format(part, *shown), highlight=False)
    return scores


def outcome(scores: Mapping[str, Any]) -> Outcome:
    """The figure and its targets."""
    values = []
    for part, target in RIGHT.items():
        right, off = scores[part]["accuracy"]["value"], scores[part]["distance_mae"]["value"]
        values += [Value(f"{part} right", 100 * right, "%", target)]
        values += [Value(f"{part} distance", off, "Å", 0.10, "at most")]
    for symbol in ("N", "O"):
        found = scores["test_19"]["elements"].get(symbol)
        if found is not None:
            values.append(Value(f"test_19 {symbol} right", 100 * found["accuracy"]["value"], "%", 85.0))
    three = " / ".join(f"{v.value:.1f}" for v in values[:6:2])
    off = " / ".join(f"{v.value:.3f}" for v in values[1:6:2])
    return Outcome(f"{three} % right, {off} Å off on 19 / 23 / 25–29 atoms", tuple(values), dict(scores))
