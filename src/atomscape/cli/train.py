"""``atomscape train``: a recipe, a config file, or just data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from atomscape.learn.config import RunConfig

STOPPED = 130


def _schema(asked: bool) -> bool:
    if asked:
        import json

        from atomscape.learn.recipe import json_schema

        typer.echo(json.dumps(json_schema(), indent=1))
        raise typer.Exit
    return asked


def train(
    what: Annotated[
        str,
        typer.Argument(metavar="WHAT", help="Recipe, YAML file, data (file, folder or source), or a run."),
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Settings to change, as in training.epochs=10."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run.", show_default="runs/NAME")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run exactly where it stopped.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start anew where a run exists.")] = False,
    schema: Annotated[
        bool,
        typer.Option(
            "--schema", callback=_schema, is_eager=True, help="Print the JSON schema of a config and stop."
        ),
    ] = False,
) -> None:
    """Train an encoder and its heads.

    Without a config, `atomscape train data.xyz` chooses what to learn from the labels it finds. Ctrl-C stops
    a run safely; --resume continues it as if nothing had happened. Where a file's labels need explaining
    (columns, units), do it with `atomscape data convert` and train on the result.
    """
    from atomscape.cli.output import console
    from atomscape.learn.train import train as run
    from atomscape.report.page import write_report

    config, home = chosen_config(what, overrides or [])
    folder = out or home or Path("runs") / config.name
    screen = console()
    main = os.environ.get("RANK", "0") == "0"  # of several processes, as torchrun and srun count them
    if run(config, folder, resume, overwrite, screen) is None:
        if main:
            screen.print(f"Continue with: atomscape train {folder} --resume", soft_wrap=True)
        raise typer.Exit(STOPPED)
    if not main:
        return
    page = write_report(folder)
    screen.print(f"\nmodel: {folder}/best.safetensors, errors: {folder}/results.json, report: {page}")
    screen.print(f"next:  atomscape embed {folder} DATA")


def chosen_config(what: str, overrides: list[str]) -> tuple[RunConfig, Path | None]:
    """Config that ``what`` stands for, and the folder of the run if it is one.

    Raises
    ------
    LookupError
        ``what`` is no file, folder, recipe or source.
    ValueError
        The config or the data cannot be used; the message says why.
    """
    from atomscape.data.named import is_source_name, source_names
    from atomscape.find import suggest
    from atomscape.learn.recipe import load_config, recipes
    from atomscape.learn.zero_config import config_for

    path = Path(what)
    if (path / "config.yaml").is_file():
        return load_config(path / "config.yaml", overrides), path
    if path.suffix in (".yaml", ".yml") or what in recipes():
        return load_config(what, overrides), None
    if path.exists() or is_source_name(what):
        return config_for(what, overrides), None
    known = [*recipes(), *source_names()]
    raise LookupError(
        f"{what!r} is no file, folder, recipe or dataset{suggest(what, known)} "
        f"Recipes: {', '.join(recipes())}. Datasets: {', '.join(source_names())}."
    )
