"""An experiment: a recipe that trains, measures, and says whether its target is met.

    outcome = run_experiment("tetris", {"seed": 1}, "out", console=console)

A recipe is a module (see ``recipes``); this is what all of them share: options, outcomes, the folder with its
``experiment.json`` (what was asked) and ``results.json`` (what came of it), and being resumed after a kill.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

from pydantic import Field, ValidationError
from rich.console import Console

from atomscape import __version__
from atomscape.find import find
from atomscape.learn.catalogue import title_of
from atomscape.learn.checkpoint import write_atomic
from atomscape.learn.config import RunConfig, Strict, readable
from atomscape.learn.machines.determinism import deterministic
from atomscape.learn.recipe import apply_overrides
from atomscape.learn.results import PACKAGES, Results, commit
from atomscape.learn.run_folder import LAST
from atomscape.learn.train import train

ASKED, RESULTS = "experiment.json", "results.json"
_SIGNS = {"at least": "≥", "at most": "≤"}


class Options(Strict):
    """What every recipe can be told; a recipe's ``Config`` adds its own, each with a default."""

    seed: Annotated[int, Field(ge=0)] = 0
    threads: Annotated[int, Field(ge=1)] = 1


@dataclass(frozen=True)
class Value:
    """One measured number. Without ``target`` it is only reported."""

    name: str
    value: float
    unit: str = "1"
    target: float | None = None
    sense: Literal["at least", "at most"] = "at least"

    @property
    def met(self) -> bool:
        """Whether the number is on the right side of its target; NaN is on no side."""
        if self.target is None:
            return True
        return self.value >= self.target if self.sense == "at least" else self.value <= self.target

    def __str__(self) -> str:
        """Number, unit and target: ``100 % (target ≥ 100 %)``."""
        unit = "" if self.unit == "1" else f" {self.unit}"
        aim = "" if self.target is None else f" (target {_SIGNS[self.sense]} {self.target:g}{unit})"
        return f"{self.value:.4g}{unit}{aim}"


@dataclass(frozen=True)
class Outcome:
    """What came of a recipe: one line for people, the numbers, and anything else worth keeping as JSON.

    The target of the recipe is met when every number with a target meets its own.
    """

    figure: str
    values: tuple[Value, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def met(self) -> bool:
        """Whether the recipe meets its target."""
        return all(v.met for v in self.values)


class Stopped(Exception):
    """A signal ended a training inside a recipe; its state is saved."""


def run_experiment(
    name: str,
    overrides: Sequence[str] | Mapping[str, Any] = (),
    out: str | Path = "out",
    resume: bool = False,
    overwrite: bool = False,
    console: Console | None = None,
) -> Outcome:
    """Run a recipe's module in a folder and write ``results.json``; an experiment that is done is only read.

    Parameters
    ----------
    overrides
        Options as ``key=value`` or as a mapping.
    resume
        Go on where the folder holds a run of this recipe with these options.

    Raises
    ------
    LookupError
        No such recipe.
    ValueError
        An unknown option (with the nearest), a bad value, or a folder that holds something else.
    Stopped
        A signal ended it; asked again with ``resume`` it goes on.
    """
    module, folder = find("recipes", name), Path(out)
    config = options(module.Config, overrides, name)
    open_folder(folder, name, config, resume, overwrite)
    if (folder / RESULTS).is_file():
        return read_outcome(folder)
    source, start = commit(), (time.monotonic(), time.process_time())
    with deterministic(config.threads, config.seed):
        outcome = module.run(config, folder, console or Console(quiet=True))
    seconds = time.monotonic() - start[0], time.process_time() - start[1]
    _write(folder, module, config, outcome, resume, seconds, source)
    return outcome


def options(kind: type[Options], overrides: Sequence[str] | Mapping[str, Any], name: str) -> Any:
    """Options of a recipe from ``key=value`` or a mapping.

    Raises
    ------
    ValueError
        An unknown option, or a value that does not fit.
    """
    given = dict(overrides) if isinstance(overrides, Mapping) else apply_overrides({}, overrides)
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise ValueError(readable(error, f"recipe {name}")) from None


def trained(config: RunConfig, folder: Path, console: Console) -> Results:
    """Train in a folder of the experiment, or go on where an earlier call was stopped.

    Raises
    ------
    Stopped
        A signal ended the training; the state is saved.
    """
    results = train(config, folder, resume=(folder / LAST).is_file(), console=console)
    if results is None:
        raise Stopped
    return results


def open_folder(folder: Path, name: str, config: Options, resume: bool, overwrite: bool) -> None:
    """Make the folder of an experiment, or check that it holds this one.

    Raises
    ------
    ValueError
        It holds an experiment and neither ``resume`` nor ``overwrite`` was asked; the experiment is another
        one; or it holds other files.
    """
    asked, path = {"recipe": name, "options": config.model_dump(mode="json")}, folder / ASKED
    if path.is_file():
        there = json.loads(path.read_text())
        if resume:
            _refuse_changes(there, asked, folder)
            return
        if not overwrite:
            raise ValueError(
                f"{folder} holds recipe {there['recipe']} already: --resume continues it, --overwrite starts "
                "anew; or name another folder"
            )
        _put_aside(folder)
    elif folder.is_dir() and any(not f.name.endswith(".tmp") for f in folder.iterdir()):
        raise ValueError(
            f"{folder} is not empty and holds no recipe's run; name another folder, nothing in it was touched"
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(path, (json.dumps(asked, indent=1) + "\n").encode())


def _put_aside(folder: Path) -> None:
    """Rename a folder to make room: what a person kept in it is not for a program to delete."""
    n = 1
    while (aside := folder.with_name(f"{folder.name}-before-{n}")).exists():
        n += 1
    folder.rename(aside)


def _refuse_changes(there: dict[str, Any], asked: dict[str, Any], folder: Path) -> None:
    if there["recipe"] != asked["recipe"]:
        _other(folder, f"recipe {there['recipe']}, not {asked['recipe']}")
    for key, value in asked["options"].items():
        if there["options"].get(key) != value:
            _other(folder, f"{key}={there['options'].get(key)}, not {key}={value}")


def _other(folder: Path, what: str) -> NoReturn:
    raise ValueError(f"{folder} was started with {what}; ask for the same to resume it, or name another")


def _write(
    folder: Path,
    module: Any,
    config: Options,
    outcome: Outcome,
    resumed: bool,
    seconds: tuple[float, float],
    source: str | None,
) -> None:
    asked = json.loads((folder / ASKED).read_text())
    values = [asdict(v) | {"met": v.met} for v in outcome.values]
    record = asked | {
        "title": title_of(module.__doc__),
        "target": module.TARGET,
        "figure": outcome.figure,
        "met": outcome.met,
        "values": values,
        "details": dict(outcome.details),
        "seed": config.seed,
        "threads": config.threads,
        "wall_seconds": round(seconds[0], 2),
        "cpu_seconds": round(seconds[1], 2),
        "resumed": resumed,
        "versions": {"atomscape": __version__, "python": platform.python_version()}
        | {p: version(p) for p in PACKAGES},
        "commit": source,
        "machine": f"{platform.machine()} {platform.system()}",
    }
    write_atomic(folder / RESULTS, (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode())


def read_outcome(folder: Path) -> Outcome:
    """Outcome of an experiment that is done, from its ``results.json``."""
    record = json.loads((folder / RESULTS).read_text())
    values = tuple(Value(**{k: x for k, x in v.items() if k != "met"}) for v in record["values"])
    return Outcome(record["figure"], values, record["details"])
