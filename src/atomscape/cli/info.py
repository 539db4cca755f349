"""``atomscape info``: what is in a file, and what looks wrong in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from atomscape.cli.reading import Key, SkipUnreadable, Stress, Trust, Unit, reading

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from atomscape.atoms.describe import Description
    from atomscape.data.check import Finding

MOST = 100_000


def info(
    what: Annotated[
        str, typer.Argument(metavar="FILE", help="A file that ASE reads, a folder, a store, a named dataset.")
    ],
    key: Key = None,
    unit: Unit = None,
    stress: Stress = None,
    skip_unreadable: SkipUnreadable = False,
    trust: Trust = False,
) -> None:
    """Say what is in a file: counts, elements, labels with units and ranges, and what looks suspicious."""
    import numpy as np

    from atomscape.atoms.describe import describe
    from atomscape.cli.output import console, escaped
    from atomscape.data.audit import audit
    from atomscape.data.examined import Examined
    from atomscape.data.load import load

    screen = console()
    store = load(what, reading(key, unit, stress, skip_unreadable, trust))
    rows = slice(None)
    if len(store) > MOST:
        rows = np.sort(np.random.default_rng(0).choice(len(store), MOST, replace=False))
        screen.print(f"Described by {MOST:,} structures of {len(store):,}, drawn at random.\n")
    described = store[rows]
    show(describe(described, store.properties), screen)
    show_findings(audit(Examined.of(described, store.properties), quick=True).findings, screen)
    if store.card.columns:
        screen.print("\n[bold]Columns[/]")
        for line in store.card.columns:
            screen.print(escaped(f"  {line}"), soft_wrap=True)


def show(found: Description, screen: Console) -> None:
    """Print a description."""
    from atomscape.cli.output import table

    facts = table("", "")
    facts.add_row("structures", f"{found.structures:,}")
    sizes = f", {found.sizes} per structure" if found.sizes else ""
    facts.add_row("atoms", f"{found.atoms:,}{sizes}")
    facts.add_row("elements", "  ".join(f"{k} {n:,}" for k, n in found.elements.items()) + "  (structures)")
    facts.add_row("periodic along", "  ".join(f"{k} {n:,}" for k, n in found.periodic.items()))
    if found.volume_per_atom and found.density:
        facts.add_row("volume", f"{found.volume_per_atom} Å³ per atom")
        facts.add_row("density", f"{found.density} g/cm³")
    screen.print(facts)
    screen.print()
    screen.print(labels(found) if found.labels else "no labels")
    screen.print()


def show_findings(findings: Sequence[Finding], screen: Console) -> None:
    """Print what the quick checks of the audit found."""
    from atomscape.cli.output import escaped

    for finding in findings:
        screen.print(f"[yellow]suspicious[/]  {escaped(str(finding))}", soft_wrap=True)
    if not findings:
        screen.print("nothing suspicious")


def labels(found: Description) -> Table:
    """Labels with unit, how many are known, and their range."""
    from atomscape.cli.output import table

    made = table("label", "unit", "per", "known", "missing", "min", "median", "max", right=(3, 4, 5, 6, 7))
    for label in found.labels:
        p, r = label.property, label.range
        ends = [f"{x:.6g}" for x in (r.minimum, r.median, r.maximum)] if r else ["–"] * 3
        missing = f"{label.missing:,}" if label.missing else ""
        made.add_row(p.name, p.unit or "?", p.per, f"{label.known:,}", missing, *ends)
    return made
