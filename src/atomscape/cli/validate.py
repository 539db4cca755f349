"""``atomscape validate``: what physics demands of a potential, as a table of numbers beside their limits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atomscape.cli.simulating import (
    Dataset,
    Device,
    Fine,
    Json,
    Overwrite,
    Precision,
    Row,
    Run,
    Structure,
    With,
)

if TYPE_CHECKING:
    from rich.table import Table

    from atomscape.simulate.checks import Check, PairCurve


def validate(
    run: Run,
    what: Structure,
    row: Row = 0,
    temperature: Annotated[float, typer.Option(min=0, help="Of the dynamics, K.")] = 300.0,
    timestep: Annotated[float, typer.Option(min=0.01, help="Of the dynamics, fs.")] = 1.0,
    steps: Annotated[int, typer.Option(min=20, help="Of the dynamics.")] = 500,
    picture: Annotated[Path | None, typer.Option(help="Dissociation curves and drift, .svg.")] = None,
    json: Json = None,
    overwrite: Overwrite = False,
    also: With = None,
    dataset: Dataset = None,
    dtype: Fine = Precision.float64,
    device: Device = "cpu",
) -> None:
    """Check a potential on one structure: derivatives, frames, cutoff, pairs, drift, volumes, stability.

    The exit status is 2 where a check fails. Small errors on a test part do not imply that these pass, and
    the other way round.
    """
    import numpy as np

    from atomscape.cli.output import console
    from atomscape.cli.simulating import (
        images_of,
        potential_of,
        refuse_existing,
        steps_shown,
        write_json,
        write_text,
    )
    from atomscape.simulate import checks
    from atomscape.simulate.reading import structures_of

    refuse_existing([f for f in (picture, json) if f is not None], overwrite)
    potential = potential_of(run, also, dataset, dtype, device)
    s = structures_of(images_of(what, row), potential.inputs)
    potential.check(s)
    numbers = s.numbers.tolist()
    found = [*checks.check_derivatives(potential, s), *checks.check_frames(potential, s)]
    curves: list[PairCurve] = []
    if potential.inputs:
        why = f"the network reads {', '.join(potential.inputs)}, which two atoms alone do not have"
        found.append(checks.Check("pairs", "two atoms alone", None, "", None, None, why))
    else:
        curves = checks.pair_curves(potential, numbers)
        found += [*checks.check_cutoff(potential, numbers), *checks.check_pairs(curves)]
    done = iter(range(1, steps + 1))
    with steps_shown("dynamics", steps) as tell:
        drift, energies = checks.check_drift(
            potential, s, temperature, timestep, steps, progress=lambda: tell(next(done))
        )
    found += [*drift, *checks.check_crystal(potential, s), *checks.check_members(potential, s)]
    screen = console()
    screen.print(checks_table(found, f"{run} on {s.formulas()[0]}"))
    if picture is not None:
        write_text(picture, _figure(curves, np.asarray(energies), timestep))
    write_json(json, {"model": potential.hash, "checks": [c.as_dict() for c in found]})
    if any(c.passed is False for c in found):
        raise typer.Exit(2)


def checks_table(found: list[Check], title: str) -> Table:
    """A line for each check."""
    from atomscape.cli.output import escaped, table

    made = table("check", "", "value", "limit", "", "", title=escaped(title), right=(2, 3))
    verdict = {True: "[green]passed[/]", False: "[bold red]failed[/]", None: "–"}
    for c in found:
        value = "" if c.value is None else f"{c.value:.3g}"
        limit = c.unit if c.limit is None else f"{c.limit:g} {c.unit}".strip()
        made.add_row(c.name, c.what, value, limit, verdict[c.passed], escaped(c.note))
    return made


def _figure(curves: list[PairCurve], energies, timestep: float) -> str:
    from atomscape.simulate.lines_figure import COLOURS, Curve, Panel, lines_figure

    panels = []
    if curves:
        shown = []
        for k, c in enumerate(curves):
            deep = max(2.0, 2 * abs(float(c.energies.min())))
            seen = c.energies < deep
            colour = COLOURS[k % len(COLOURS)]
            shown.append(Curve(c.distances[seen].tolist(), c.energies[seen].tolist(), c.name, colour=colour))
        panels.append(Panel(tuple(shown), "Å", "eV", "two atoms alone"))
    if len(energies):
        time = [timestep * (k + 1) / 1000 for k in range(len(energies))]
        rise = (1000 * (energies - energies[0])).tolist()
        panels.append(Panel((Curve(time, rise),), "ps", "energy − first, meV/atom", "constant energy"))
    return lines_figure(panels)
