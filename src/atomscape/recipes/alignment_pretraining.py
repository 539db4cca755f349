"""Alignment, continued: does pretraining on symmetry or on noise help each task?

Each encoder learns once to tell the space group of generated crystals, and once to tell the noise on the
positions of crystals and their hidden elements, without labels. From there it learns each task of the recipe
``alignment`` alone, which is compared with the same training from nothing in the folder of that experiment.
Sizes, seeds and efforts are those given there.

Among the crystals with noise are crystals that MP-20 tests, without what is asked about them.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from rich.console import Console

from atomscape.data.lock import owned
from atomscape.learn.config import RunConfig
from atomscape.learn.experiment import ASKED, Options, Outcome, trained
from atomscape.learn.recipe import validate
from atomscape.recipes import _alignment_picture as picture
from atomscape.recipes import alignment
from atomscape.recipes._alignment_gains import gains
from atomscape.recipes._alignment_runs import Place, Training, do_all, done, encoder, errors

TARGET = "none: a gain for every task after every pretraining, with its uncertainty"

Kind = Literal["symmetry", "denoising"]

NOISY: dict[str, dict[str, Any]] = {
    "symmetry": {
        "source": "space_groups",
        "corrupt": {"kind": "noise_positions", "sigma": 0.01, "keep": ["space_group"]},
    },
    "denoising": {
        "source": "materials_project",
        "corrupt": [
            {"kind": "noise_positions", "sigma": 0.05},
            {"kind": "mask_elements", "atoms": 0.15},
        ],
        "limit": 4000,
    },
}
"""What is learned from, and what is done to it."""

LEARNED: dict[str, list[dict[str, Any]]] = {
    "symmetry": [{"property": "space_group", "head": {"kind": "classes", "first": 1, "count": 230}}],
    "denoising": [
        {"property": "position_noise", "loss": "mse"},
        {"property": "masked_element", "weight": 0.2},
    ],
}
"""As in the recipes ``pretrain_space_groups`` and ``pretrain_denoising_crystals``."""


class Config(Options):
    """Options; ``experiment`` is the folder of the recipe ``alignment``, which must be done."""

    experiment: str = "alignment"
    kinds: Annotated[tuple[Kind, ...], Field(min_length=1)] = ("symmetry", "denoising")
    steps: Annotated[int, Field(ge=1, description="of a pretraining")] = 600
    batch: Annotated[int, Field(ge=1, description="structures in a step of it")] = 16


def run(config: Config, out: Path, console: Console) -> Outcome:
    """Pretrain, train each task from there, and reckon the gains over the same training from nothing."""
    settings = settings_of(Path(config.experiment))
    before = alignment.placed(settings, Path(config.experiment))
    place = Place(out, before.data, before.stores, before.effort, config.threads)
    for name in settings.encoders:
        for kind in config.kinds:
            pretrained(config, name, kind, out, console)
    todo = [
        Training(name, (task,), seed, kind)
        for seed in alignment.seeds(settings)
        for name in settings.encoders
        for kind in config.kinds
        for task in settings.tasks
    ]
    do_all(place, [(t, start(out, t)) for t in todo], console)
    from_nothing = [Training(t.encoder, t.tasks, t.seed) for t in todo]
    alone = list(errors(before, dict.fromkeys(from_nothing)))
    found = list(errors(place, todo))
    matrix = gains(alone, found, alignment.smallest_tests(settings, before))
    if find_spec("matplotlib") is None:
        console.print("no picture: pip install 'atomscape[plot]' for gains.png")
    else:
        picture.draw([g.as_dict() for g in matrix], out / "gains")
    return alignment.outcome(matrix, alone, found, alignment.counts(settings, before))


def settings_of(folder: Path) -> alignment.Config:
    """Options that the recipe ``alignment`` was run with in a folder.

    Raises
    ------
    ValueError
        The folder holds no such run.
    """
    file = folder / ASKED
    asked = json.loads(file.read_text()) if file.is_file() else {}
    if asked.get("recipe") != "alignment":
        raise ValueError(
            f"{folder} holds no run of the recipe alignment; run it first, or say where it is: experiment=DIR"
        )
    return alignment.Config.model_validate(asked["options"])


def pretrained(config: Config, name: str, kind: str, out: Path, console: Console) -> None:
    """Train an encoder without the tasks, unless it is done; another process that does it is waited for."""
    folder = out / "pretrained" / f"{name}-{kind}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with owned(folder.with_suffix(".lock"), every=1.0):
        if not done(folder):
            console.print(f"pretraining of {name} on {kind}", highlight=False)
            trained(pretraining(config, name, kind), folder, Console(quiet=True))


def pretraining(config: Config, name: str, kind: str) -> RunConfig:
    """Config of a pretraining; its last weights count, as those of the tasks do."""
    epochs = min(10, config.steps)
    training = {
        "epochs": epochs,
        "batch": {"structures": config.batch},
        "evaluate_every": epochs,
        "threads": config.threads,
    }
    data = {"name": kind, "split": {"kind": "random", "train": 0.9, "val": 0.05}} | NOISY[kind]
    return validate(
        {
            "name": f"{name}-{kind}",
            "seed": config.seed,
            "data": [data],
            "encoder": encoder(name),
            "objectives": LEARNED[kind],
            "sampling": {"draws": config.steps // epochs * config.batch},
            "training": training,
        }
    )


def start(out: Path, t: Training) -> dict[str, Any]:
    """Keys of a config that let a training start from its pretraining, with heads of its own."""
    model = (out / "pretrained" / f"{t.encoder}-{t.start}").absolute()
    return {"start_from": {"model": str(model), "heads": False}}
