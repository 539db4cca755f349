"""The trainings of the alignment experiment: which there are, their configs, and several processes at them.

Alone and in company a dataset has the same structures, in the same order and drawn as often, and a run the
same number of steps, the same learning rates and first weights of the encoder. A step takes as many
structures of each dataset of a run, so a pair costs what its two datasets cost alone. The last weights count,
averaged as usual: a choice by the errors of both datasets would not be the choice of one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from rich.console import Console

from atomscape.data.lock import owned
from atomscape.data.store import Store
from atomscape.learn.config import RunConfig
from atomscape.learn.experiment import trained
from atomscape.learn.recipe import validate
from atomscape.learn.run_folder import RESULTS
from atomscape.recipes._alignment_data import TASKS, dataset, objectives, split

ENCODERS: dict[str, dict[str, Any]] = {
    "egnn": {"channels": 64, "layers": 3},
    "tfn": {"l_max": 2, "channels": 32, "layers": 2, "unit_filters": True},
}
"""Settings of the encoders; cutoff and mean number of neighbours are the same for all.

Trainings are short, so the filters of the tensor field network start large.
"""

CUTOFF, NEIGHBOURS = 5.0, 30.0
"""Å, and what sums over neighbours are divided by: given, as a measured one would differ from run to run."""


def encoder(name: str) -> dict[str, Any]:
    """Entry of a config."""
    return {"kind": name, "cutoff": CUTOFF, "average_neighbours": NEIGHBOURS} | ENCODERS[name]


@dataclass(frozen=True)
class Effort:
    """Steps, structures of each dataset in a step, learning rate."""

    steps: int
    batch: int
    learning_rate: float


@dataclass(frozen=True)
class Training:
    """One training: an encoder, its datasets, a seed, and what it started from, if anything."""

    encoder: str
    tasks: tuple[str, ...]
    seed: int
    start: str = ""

    @property
    def name(self) -> str:
        """Name of its folder."""
        start = f"-from-{self.start}" if self.start else ""
        return f"{self.encoder}-{'_'.join(self.tasks)}{start}-{self.seed}"


def alone_and_in_pairs(encoders: Iterable[str], tasks: Iterable[str], seeds: Iterable[int]) -> list[Training]:
    """Every dataset alone, then every pair; seed after seed, so that what is there first is whole."""
    encoders, tasks = tuple(encoders), tuple(tasks)
    company = [(t,) for t in tasks] + list(combinations(tasks, 2))
    return [Training(e, c, seed) for seed in seeds for e in encoders for c in company]


@dataclass(frozen=True)
class Place:
    """The folder of the experiment, the stores of its tasks (in ``data``), and how long trainings are."""

    out: Path
    data: Path
    stores: Mapping[str, Store]
    effort: Effort
    threads: int = 1

    def folder(self, training: Training) -> Path:
        """Folder of a training."""
        return self.out / "runs" / training.name

    def config(self, t: Training, **others: Any) -> RunConfig:
        """Config of a training; ``others`` are further keys."""
        e, stores = self.effort, self.stores
        epochs = min(EPOCHS, e.steps)
        data = [
            dataset(name, self.data / name, self.out / "splits", split(stores, name, t.seed), t.seed)
            for name in t.tasks
        ]
        rows = [row for name in t.tasks for row in objectives(name, stores[name])]
        draws = e.steps // epochs * e.batch * len(t.tasks)
        return validate(
            {
                "name": t.name,
                "seed": t.seed,
                "data": data,
                "encoder": encoder(t.encoder),
                "objectives": rows,
                "sampling": {"draws": draws},
                "training": {
                    "epochs": epochs,
                    "batch": {"structures": e.batch * len(t.tasks)},
                    "learning_rate": e.learning_rate,
                    "evaluate_every": epochs,
                    "threads": self.threads,
                },
            }
            | others
        )


EPOCHS = 10
"""Parts of a training after which its state is saved; the order of structures is drawn for each."""


class Taken(Exception):
    """Another process is at this training."""


def do_all(place: Place, trainings: Iterable[tuple[Training, dict[str, Any]]], console: Console) -> None:
    """Train all that is not done; what another process is doing is left to it, and waited for at the end.

    Raises
    ------
    Stopped
        A signal ended a training; its state is saved.
    """
    left = [(t, others) for t, others in trainings if not done(place.folder(t))]
    (place.out / "runs").mkdir(parents=True, exist_ok=True)
    for patient in (False, True):
        for n, (t, others) in enumerate(left, start=1):
            try:
                with owned(place.out / "runs" / f"{t.name}.lock", _wait if patient else _refuse, every=1.0):
                    if not done(place.folder(t)):
                        console.print(f"training {n} of {len(left)}: {t.name}", highlight=False)
                        trained(place.config(t, **others), place.folder(t), Console(quiet=True))
            except Taken:
                continue


def _wait() -> None:
    pass


def _refuse() -> None:
    raise Taken


def done(folder: Path) -> bool:
    """Whether a training has its results."""
    return (folder / RESULTS).is_file()


@dataclass(frozen=True)
class Error:
    """Test error of a figure of a dataset after a training; ``company``: its other datasets, or its start."""

    training: Training
    task: str
    property: str
    unit: str
    mae: float
    mean: float
    cpu_seconds: float
    company: str = ""


def errors(place: Place, trainings: Iterable[Training]) -> Iterator[Error]:
    """Test errors of all figures, beside those of the mean of the training part, as the runs wrote them."""
    for t in trainings:
        results = json.loads((place.folder(t) / RESULTS).read_text())
        mine, mean = results["metrics"]["test"], results["baselines"]["mean"]["test"]
        for name in t.tasks:
            for p, unit in TASKS[name].figures:
                keys = {"dataset": name, "property": p, "unit": unit}
                found = [next(m["mae"] for m in rows if keys.items() <= m.items()) for rows in (mine, mean)]
                company = t.start or "+".join(other for other in t.tasks if other != name)
                yield Error(t, name, p, unit, found[0], found[1], results["cpu_seconds"], company)
