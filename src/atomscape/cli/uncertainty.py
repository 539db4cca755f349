"""``atomscape uncertainty``: fit the uncertainty of runs, and judge it on their test part or other data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from atomscape.learn.uncertainty.reliability import Reliability


def uncertainty(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Folder of a run; several make an ensemble.")
    ],
    on: Annotated[
        str | None, typer.Option(metavar="DATA", help="Judge on this data.", show_default="the test part")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="Whose heads to use on DATA, where the model knows several datasets.")
    ] = None,
    derivative_structures: Annotated[
        int, typer.Option(min=0, help="Structures of each part that are asked for σ of forces and stress.")
    ] = 32,
    out: Annotated[
        Path | None, typer.Option(help="Folder for numbers and figure.", show_default="the first RUN")
    ] = None,
    refit: Annotated[bool, typer.Option("--refit", help="Fit anew what was fitted before.")] = False,
) -> None:
    """Fit σ of every prediction, calibrate it on the validation part, and judge it.

    One run gets the uncertainty of its last layers, `uncertainty.safetensors` beside the model. Of several,
    which differ in their seed, the spread is taken too, and `ensemble.json` joins them. The table compares
    with one σ for all errors: an uncertainty tells something where its NLL is lower.
    """
    from atomscape.cli.output import console
    from atomscape.learn.uncertainty.ensemble_file import save_ensemble
    from atomscape.learn.uncertainty.runs import other_graphs, uncertain_runs, write_judged

    screen, folder = console(), out or runs[0]
    found = uncertain_runs(runs, derivative_structures, refit)
    graphs = found.graphs("test") if on is None else other_graphs(found.models[0], on, dataset)
    judged, stem = found.judge(graphs, derivative_structures), "uncertainty"
    if found.ensemble is not None:
        save_ensemble(found.ensemble, runs, folder)
        stem = "ensemble-uncertainty"
    where = "test part of the data" if on is None else on
    screen.print(reliability_table(judged, f"{', '.join(map(str, runs))}: {where}"))
    hashes = [model.hash for model in found.models]
    name = stem if on is None else f"{stem}-{Path(on).stem}"
    numbers, figure = write_judged(judged, folder / f"{name}.json", on=where, models=hashes)
    screen.print(f"\nnumbers: {numbers}, figure: {figure}", soft_wrap=True)


def reliability_table(judged: Sequence[Reliability], title: str) -> Table:
    """A row for each property and method."""
    from atomscape.cli.output import table
    from atomscape.learn.metrics import shown

    names = ("property", "from", "errors", "RMSE", "σ (rms)", "68 90 95 %", "area", "ENCE", "ρ")
    made = table(*names, "NLL − one σ", title=title, right=tuple(range(2, 10)))
    for column in made.columns[1:]:
        column.no_wrap = True
    for r in judged:
        (rmse, unit), (sharpness, _) = shown(r.rmse, r.unit), shown(r.sharpness, r.unit)
        shares = " ".join(f"{100 * share:.0f}" for share in r.coverage.values())
        tail = [f"{r.area:.3f}", f"{r.ence:.2f}", f"{r.spearman:.2f}", f"{r.nll - r.nll_constant:+.3f}"]
        label = f"{r.property}, {unit}"
        made.add_row(label, r.method, f"{r.count:,}", f"{rmse:.4g}", f"{sharpness:.4g}", shares, *tail)
    return made
