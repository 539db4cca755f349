"""``atomscape recipe``: what ships ready to run, trainings and experiments with a target, and running one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from atomscape.learn.experiment import Outcome

STOPPED, MISSED = 130, 1

app = typer.Typer(no_args_is_help=True, help="Ready-made trainings and experiments: list them, run one.")


@app.command("list")
def list_recipes() -> None:
    """List the recipes: what each does, and what counts as success."""
    from atomscape.cli.output import console, table
    from atomscape.learn.catalogue import about, experiments, training_title
    from atomscape.learn.recipe import recipes

    experimental = table("experiment", "what it does", "target")
    for name in experiments():
        experimental.add_row(spelt(name), *about(name))
    training = table("training", "what it does")
    for name in recipes():
        training.add_row(name, training_title(name))
    screen = console()
    screen.print(experimental)
    screen.print()
    screen.print(training)
    screen.print("\nrun one: atomscape recipe run NAME --out DIR")


@app.command("run")
def run(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A recipe; `atomscape recipe list` has them.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Options of the recipe to change."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for all that is made.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of all that is drawn.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where a run in that folder was stopped or killed.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Start anew; the former folder is renamed.")
    ] = False,
) -> None:
    """Run a recipe; the last line is its figure and whether the target is met, and so is the exit status.

    Status 0: met, or there is none; 1: not met, or a mistake; 130: stopped. All numbers are in
    DIR/results.json, with units, targets, times, versions and seeds.
    """
    from atomscape.cli.output import console
    from atomscape.learn.catalogue import experiments
    from atomscape.learn.experiment import Stopped, run_experiment

    if out is None:
        raise ValueError(f"atomscape recipe run {name} needs a folder for what it makes: --out DIR")
    settings, screen = [*(overrides or []), *([] if seed is None else [f"seed={seed}"])], console()
    module = name if "." in name else name.replace("-", "_")
    if module not in experiments() and "." not in module:
        return run_training(module, settings, out, resume, overwrite, screen)
    try:
        outcome = run_experiment(module, settings, out, resume, overwrite, screen)
    except Stopped:
        screen.print(how_to_go_on(name, settings, out), soft_wrap=True)
        raise typer.Exit(STOPPED) from None
    show(outcome, out, screen)
    if not outcome.met:
        raise typer.Exit(MISSED)


def run_training(
    name: str, settings: list[str], out: Path, resume: bool, overwrite: bool, screen: Console
) -> None:
    """Run a recipe that is a config; its figure is the error on the test part, and it has no target.

    Raises
    ------
    LookupError
        There is no recipe of that name.
    """
    from atomscape.find import suggest
    from atomscape.learn.catalogue import experiments
    from atomscape.learn.metrics import shown
    from atomscape.learn.recipe import load_config, recipes
    from atomscape.learn.train import train

    if name not in recipes():
        known = [*map(spelt, experiments()), *recipes()]
        raise LookupError(f"no recipe called {name!r}{suggest(name, known)} Known: {', '.join(known)}.")
    results = train(load_config(name, settings), out, resume, overwrite, screen)
    if results is None:
        screen.print(how_to_go_on(name, settings, out), soft_wrap=True)
        raise typer.Exit(STOPPED)
    errors = ", ".join(
        "{} {:.4g} {}".format(m.property, *shown(m.mae, m.unit)) for m in results.metrics["test"]
    )
    screen.print(f"{name}: test MAE of {errors} (no target)", soft_wrap=True)


def show(outcome: Outcome, out: Path, screen: Console) -> None:
    """Print every number with its target, and last the figure and whether the target is met."""
    from atomscape.cli.output import escaped, table

    rows = table("", "", "", right=(1,))
    for v in outcome.values:
        rows.add_row(v.name, str(v), "" if v.target is None else "met" if v.met else "missed")
    screen.print(rows)
    screen.print(f"{out}/results.json has all of it", soft_wrap=True)
    verdict = "target met" if outcome.met else "target missed"
    screen.print(f"{escaped(outcome.figure)}: {verdict}", soft_wrap=True)


def how_to_go_on(name: str, settings: list[str], out: Path) -> str:
    """The command that resumes this run."""
    return " ".join(["Continue with: atomscape recipe run", name, *settings, "--out", str(out), "--resume"])


def spelt(name: str) -> str:
    """A module's name as it is written on the command line."""
    return name.replace("_", "-")
