"""``atomscape data audit``: find wrong labels, say what would put them right, write a corrected copy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atomscape.cli.reading import Key, SkipUnreadable, Stress, Trust, Unit, What, reading

if TYPE_CHECKING:
    from rich.console import Console

    from atomscape.data.audit import Audit
    from atomscape.data.store import Store

COLOURS = {"serious": "bold red", "warning": "yellow", "note": "blue"}


def audit(
    what: What,
    json: Annotated[bool, typer.Option("--json", help="Print the findings as a JSON list.")] = False,
    html: Annotated[Path | None, typer.Option("--html", help="Also write a report as one HTML file.")] = None,
    fix: Annotated[
        Path | None,
        typer.Option("--fix", help="Write a corrected copy to a new store; nothing is changed in place."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only the checks that atomscape info asks too.")
    ] = False,
    against: Annotated[
        str | None, typer.Option("--against", help="Another dataset: which structures stand in both?")
    ] = None,
    key: Key = None,
    unit: Unit = None,
    stress: Stress = None,
    skip_unreadable: SkipUnreadable = False,
    trust: Trust = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what exists.")] = False,
) -> None:
    """Look for wrong labels: units, signs, frames, duplicates, leaks, mixed methods, sentinels, cells.

    The exit status is 1 if a finding is serious.
    """
    from json import dumps

    from atomscape.cli.output import console

    screen = console()
    options = reading(key, unit, stress, skip_unreadable, trust)
    found, data = _audited(what, options, against, quick, None if json else screen)
    if json:
        print(dumps([f.as_dict() for f in found.findings], indent=1, ensure_ascii=False))
    else:
        show(found, screen)
    if html is not None:
        from atomscape.data.report import html_report

        html.write_text(html_report(found), encoding="utf-8")
        if not json:
            screen.print(f"\nReport in {html}")
    if fix is not None and data is not None:
        from atomscape.data.fix import write_corrected

        store = write_corrected(data, found, fix, overwrite=overwrite)
        if not json:
            screen.print(f"\nCorrected copy of {len(store):,} structures in {fix}")
    if found.serious:
        raise typer.Exit(1)


def _audited(what: str, options, against: str | None, quick: bool, screen: Console | None):
    """The audit, and what was audited: a store, or the structures of a file that cannot become one."""
    from atomscape.data.audit import audit as ask
    from atomscape.data.audit import check_names
    from atomscape.data.load import load
    from atomscape.data.unchecked import audit_of_refused, read_unchecked

    path = Path(what).expanduser()
    other = None if against is None else load(against)
    try:
        data: Store = load(what, options)
    except ValueError as error:
        if not path.is_file():
            raise
        found = audit_of_refused(path, options, error, quick)
        return found, None if not found.structures else read_unchecked(path, options)
    if screen is None:
        return ask(data, against=other, quick=quick), data
    with _bar(screen, len(check_names(quick))) as told:
        return ask(data, against=other, quick=quick, progress=told), data


@contextmanager
def _bar(screen: Console, total: int) -> Iterator[Callable[[str], None]]:
    """Which check is asked, how many of all were, and for how long; nothing where this is no terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<16}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=screen, disable=not screen.is_terminal, transient=True) as shown:
        task = shown.add_task("", total=total + 1)
        yield lambda name: shown.update(task, description=name, advance=1)


def show(found: Audit, screen: Console) -> None:
    """Print the findings, the worst first, then what would be corrected."""
    from atomscape.cli.output import escaped
    from atomscape.data.fix import corrections_of

    plural = "" if found.structures == 1 else "s"
    screen.print(f"[bold]{escaped(found.name)}[/]: {found.structures:,} structure{plural}\n")
    for finding in found.findings:
        colour = COLOURS[finding.severity]
        screen.print(
            f"[{colour}]{finding.severity:<8}[/] [bold]{finding.check}[/]  {escaped(str(finding))}",
            soft_wrap=True,
        )
        if finding.proposal:
            screen.print(f"         → {escaped(finding.proposal)}", soft_wrap=True)
    for name, why in found.skipped.items():
        screen.print(f"[dim]skipped  {name}: {escaped(why)}[/]", soft_wrap=True)
    counts = {s: sum(f.severity == s for f in found.findings) for s in COLOURS}
    said = ", ".join(f"{n} {s}" for s, n in counts.items() if n) or "nothing found"
    asked = f"; {len(found.seconds)} checks in {sum(found.seconds.values()):.1f} s" if found.seconds else ""
    if found.findings or found.skipped:
        screen.print()
    screen.print(f"{said}{asked}")
    if corrections := corrections_of(found):
        screen.print("\n--fix OUT would write a copy with:")
        for line in corrections:
            screen.print(f"  {escaped(line)}", soft_wrap=True)
