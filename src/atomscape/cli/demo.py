"""``atomscape demo``: the whole road on data that ship with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DATA = ("sample", "sample_crystals")
STOPPED = 130


def demo(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE]...", help="Settings of the recipe `demo`, as in training.epochs=2."
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Folder for all that is made; a former demo there is replaced.")
    ] = Path("demo"),
) -> None:
    """Train on the embedded sample, print the errors, and write a map of its molecules and crystals."""
    from atomscape.atlas.map import make_map
    from atomscape.cli.embed import embedded
    from atomscape.cli.map import Shown, projections
    from atomscape.cli.output import console
    from atomscape.data.load import load
    from atomscape.learn.checkpoint import load_model
    from atomscape.learn.recipe import load_config
    from atomscape.learn.train import train

    screen, run = console(), out / "run"
    if train(load_config("demo", overrides or []), run, overwrite=True, console=screen) is None:
        screen.print(f"Continue with: atomscape train {run} --resume", soft_wrap=True)
        raise typer.Exit(STOPPED)
    model = load_model(run)
    folders = [run / "embeddings" / name for name in DATA]
    embeddings = [
        embedded(model, name, folder, "last", "mean", None, True, screen)
        for name, folder in zip(DATA, folders, strict=True)
    ]
    page = make_map(
        embeddings,
        [load(name) for name in DATA],
        out / "map.html",
        projections=projections(Shown.both, screen),
        title="Molecules and crystals of the embedded sample",
        report=lambda line: screen.print(line, soft_wrap=True),
    )
    screen.print(f"\nOpen [bold]{page}[/] in a browser.")
