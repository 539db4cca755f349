"""Alignment: does a second dataset help the first, learned by one encoder with a head for each?

Four tasks, each alone and in all pairs, for two encoders and several seeds. How much the test error of a
dataset falls in company, in per cent, is a field of the gain matrix; its uncertainty is that over seeds, and
where it is too wide the verdict says so. ``_alignment_data`` tells of tasks and splits, ``_alignment_runs``
of what is kept equal, ``_alignment_gains`` how gains are reckoned.

The experiment may be started several times at once in one folder, with ``--resume``: each process takes a
training that no other is at.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from rich.console import Console

from atomscape.learn.experiment import Options, Outcome, Value
from atomscape.recipes import _alignment_picture as picture
from atomscape.recipes._alignment_data import Sizes, independent, split, stores
from atomscape.recipes._alignment_gains import Gain, gains, summaries
from atomscape.recipes._alignment_runs import Effort, Error, Place, alone_and_in_pairs, do_all, errors

TARGET = "none: a gain for every dataset in every company, with its uncertainty"

Encoder = Literal["egnn", "tfn"]
Name = Literal["s2ef", "is2re", "mp", "lips"]


class Config(Options):
    """Options: who takes part, how much of each dataset, and how long to train.

    ``seed`` is the first of ``seeds`` seeds; three in a row test everything once.
    """

    encoders: Annotated[tuple[Encoder, ...], Field(min_length=1)] = ("egnn", "tfn")
    tasks: Annotated[tuple[Name, ...], Field(min_length=2)] = ("s2ef", "is2re", "mp", "lips")
    seeds: Annotated[int, Field(ge=1)] = 3
    frames: Annotated[int, Field(ge=2, description="of each relaxation")] = 20
    atoms: Annotated[int, Field(ge=1, description="at most, in a relaxation whose frames are used")] = 110
    crystals: Annotated[int, Field(ge=30)] = 1300
    steps: Annotated[int, Field(ge=1)] = 400
    batch: Annotated[int, Field(ge=1, description="structures of each dataset in a step")] = 4
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3


def run(config: Config, out: Path, console: Console) -> Outcome:
    """Train everything that is not done, reckon the gains, draw them."""
    place = placed(config, out)
    trainings = alone_and_in_pairs(config.encoders, config.tasks, seeds(config))
    do_all(place, [(t, {}) for t in trainings], console)
    found = list(errors(place, trainings))
    alone = [e for e in found if not e.company]
    matrix = gains(alone, [e for e in found if e.company], smallest_tests(config, place))
    if find_spec("matplotlib") is None:
        console.print("no picture: pip install 'atomscape[plot]' for gains.png")
    else:
        picture.draw([g.as_dict() for g in matrix], out / "gains")
    return outcome(matrix, alone, found, counts(config, place))


def placed(config: Config, out: Path) -> Place:
    """Where everything is; stores of the tasks are written where there are none."""
    sizes = Sizes(config.frames, config.atoms, config.crystals)
    effort = Effort(config.steps, config.batch, config.learning_rate)
    data = out / "data"
    return Place(out, data, stores(data, sizes, config.tasks), effort, config.threads)


def counts(config: Config, place: Place) -> dict[str, dict[str, dict[str, int]]]:
    """Structures and independent groups of each part, task by task, of the first seed."""
    made = {}
    for name, store in place.stores.items():
        parts = split(place.stores, name, config.seed)
        made[name] = {
            p: {"structures": len(rows), "groups": independent(store, rows)} for p, rows in parts.items()
        }
    return made


def smallest_tests(config: Config, place: Place) -> dict[str, int]:
    """Structures of the smallest test that a seed gives each task."""
    return {
        name: min(len(split(place.stores, name, s)["test"]) for s in seeds(config)) for name in place.stores
    }


def seeds(config: Config) -> range:
    """Seeds of the experiment."""
    return range(config.seed, config.seed + config.seeds)


def outcome(
    matrix: list[Gain], alone: list[Error], found: list[Error], counts: dict[str, dict[str, dict[str, int]]]
) -> Outcome:
    """How many fields say something, and everything as data."""
    said = {v: sum(g.verdict == v for g in matrix) for v in ("helps", "harms", "no effect")}
    told = ", ".join(f"{n} {v}" for v, n in said.items())
    values = [Value(f"fields: {v}", n) for v, n in said.items()]
    values += [
        Value(
            f"{g.encoder}: {picture.label(g.task, g.property)} with {picture.label(g.company)}", g.mean, "%"
        )
        for g in matrix
    ]
    seconds = {e.training.name: e.cpu_seconds for e in found}
    details = {
        "gains": [g.as_dict() for g in matrix],
        "alone": [a.as_dict() for a in summaries(alone)],
        "counts": counts,
        "cpu_seconds": seconds,
    }
    return Outcome(f"of {len(matrix)} gains {told}, the others too uncertain", tuple(values), details)
