"""The command ``atomscape``: its sub-commands, and what happens when one fails or is stopped."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from atomscape import __version__
from atomscape.cli import (
    complete,
    crystals,
    data,
    demo,
    doctor,
    embed,
    evaluate,
    export,
    info,
    label,
    map,
    md,
    neb,
    recipe,
    relax,
    report,
    represent,
    train,
    uncertainty,
    validate,
    view,
)
from atomscape.cli.output import show_error

# Errors whose message says what to do: a mistake in what was given, a missing optional package, a loss that
# is no number. Any other is a fault of the program and shows where.
EXPLAINED = (ValueError, LookupError, OSError, ImportError, FloatingPointError)

app = typer.Typer(
    name="atomscape",
    help="Learn neural representations of atoms and map chemical space with them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo)
app.add_typer(data.app, name="data")
app.command("info")(info.info)
app.command("train")(train.train)
app.add_typer(recipe.app, name="recipe")
app.command("evaluate")(evaluate.evaluate)
app.command("uncertainty")(uncertainty.uncertainty)
app.command("report")(report.report)
app.command("embed")(embed.embed)
app.command("represent")(represent.represent)
app.command("label")(label.label)
app.command("complete")(complete.complete)
app.command("relax")(relax.relax)
app.command("md")(md.md)
app.command("neb")(neb.neb)
app.command("eos")(crystals.eos)
app.command("elastic")(crystals.elastic)
app.command("phonons")(crystals.phonons)
app.command("validate")(validate.validate)
app.command("export")(export.export)
app.command("map")(map.map_page)
app.command("view")(view.view)
app.command("doctor")(doctor.doctor)


def _version(asked: bool) -> bool:
    if asked:
        typer.echo(f"atomscape {__version__}")
        raise typer.Exit
    return asked


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Options before the sub-command; ``main`` acts on ``--debug``."""


def main() -> None:
    """Run the command line: a user's mistake prints one line and ends with 1, Ctrl-C ends with 130."""
    try:
        app(prog_name="atomscape")
    except SystemExit as end:
        if _interrupted(end):
            print("\nstopped", file=sys.stderr)
        raise
    except EXPLAINED as error:
        if "--debug" in sys.argv:
            raise
        show_error(error)
        sys.exit(1)


def _interrupted(end: BaseException | None) -> bool:
    """Whether an interrupt ended the program; a command that stopped by itself has said so."""
    while end is not None and not isinstance(end, KeyboardInterrupt):
        end = end.__cause__ or (None if end.__suppress_context__ else end.__context__)
    return end is not None
