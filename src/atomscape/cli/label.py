"""``atomscape label``: labels from quantum chemistry for the structures of a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atomscape.cli.settings import Set

if TYPE_CHECKING:
    from rich.table import Table

STOPPED = 130


def label(
    data: Annotated[
        str, typer.Argument(help="A named dataset, a file, a folder, a store; or `list` for all methods.")
    ],
    method: Annotated[str, typer.Option(help="What computes the labels.")] = "gfn2_xtb",
    out: Annotated[
        Path | None, typer.Option(help="A folder for a store, or a file such as labelled.extxyz.")
    ] = None,
    set_: Set = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many structures, at random.")] = None,
    seed: Annotated[int, typer.Option(help="Of the random choice.")] = 0,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes that compute.")] = 1,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what exists.")] = False,
) -> None:
    """Label structures by quantum chemistry: energy, forces, gap, dipole moment, charges.

    Ctrl-C stops safely: what is done stays beside OUT, and the same command continues. Structures that a
    method has no labels for are counted, and their labels are unknown. Labels that were there before are left
    out.
    """
    from atomscape.cli.output import console, escaped

    screen = console()
    if data == "list":
        screen.print(catalogue())
        return
    if out is None:
        raise ValueError(f"atomscape label {data} needs --out, a folder for a store or a file")
    from atomscape.cli.bars import bars
    from atomscape.cli.embed import chosen
    from atomscape.cli.settings import configured
    from atomscape.data.load import load
    from atomscape.find import find
    from atomscape.label.dataset import label_dataset
    from atomscape.label.method import KIND

    module = find(KIND, method)
    config = configured(module, method, set_ or [])
    level = module.build(config).level_of_theory
    store, rows = load(data), chosen(data, limit, seed)
    try:
        with bars(screen)(f"labelling by {method}", len(store) if rows is None else len(rows)) as tell:
            done = label_dataset(
                method, config, store, out, rows=rows, jobs=jobs, overwrite=overwrite, progress=tell
            )
    except KeyboardInterrupt:
        screen.print(f"stopped; the same command continues from {_kept(out)}")
        raise typer.Exit(STOPPED) from None
    screen.print(escaped(f"{done.path}: {done.structures:,} structures, {level}"))
    for why, n in done.reasons.items():
        screen.print(escaped(f"{n:,} without labels: {why}"))


def catalogue() -> Table:
    """Every method with what it gives and its settings; those whose program is missing say so."""
    from atomscape.cli.output import table
    from atomscape.cli.settings import in_words
    from atomscape.find import available, find
    from atomscape.label.method import KIND

    made = table("name", "level of theory", "gives", "settings")
    for name in available(KIND):
        module = find(KIND, name)
        config = module.Config()
        try:
            method = module.build(config)
        except ImportError as error:
            made.add_row(name, str(error), "", in_words(config))
            continue
        made.add_row(name, method.level_of_theory, ", ".join(method.provides), in_words(config))
    return made


def _kept(out: Path) -> str:
    """The journal, and how many structures are in it."""
    from atomscape.label.journal import journal_of

    path = journal_of(out)
    n = path.read_bytes().count(b"\n") - 1 if path.is_file() else 0
    return f"{path} ({n:,} structures)"
