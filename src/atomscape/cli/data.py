"""``atomscape data``: list and describe datasets, download them, convert files to stores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atomscape.cli import bridge, leaks, split, stores
from atomscape.cli.audit import audit
from atomscape.cli.reading import Key, SkipUnreadable, Stress, Trust, Unit, reading

if TYPE_CHECKING:
    from rich.table import Table

    from atomscape.data.card import Card
    from atomscape.data.store import Store

app = typer.Typer(
    help="List, describe, download, convert, audit, split and join datasets.", no_args_is_help=True
)
app.command("audit")(audit)
app.command("append")(stores.append)
app.command("merge")(stores.merge)
app.command("verify")(stores.verify)
app.command("split")(split.split)
app.command("leaks")(leaks.leaks)
app.command("bridge")(bridge.bridge)

What = Annotated[
    str, typer.Argument(help="A named dataset, a store, a file that ASE reads, a folder of CIFs.")
]


@app.command("list")
def list_datasets(
    text: Annotated[str, typer.Argument(help="Only datasets whose name, title or licence has this.")] = "",
    here: Annotated[bool, typer.Option("--here", help="Only those that need no network.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print them as a list.")] = False,
) -> None:
    """Named datasets: what each holds, and whether it is on this machine; data info says all of one."""
    import json

    from atomscape.cli.output import console, escaped, one_line_each, table
    from atomscape.data.get import catalogue

    chosen = [
        entry
        for entry in catalogue()
        if text.lower() in f"{entry.name} {entry.card.title} {entry.card.licence}".lower()
        and (entry.at_hand or not here)
    ]
    if as_json:
        facts = [(e.name, e.card.title, e.card.licence, e.state) for e in chosen]
        listed = [dict(zip(("name", "title", "licence", "state"), f, strict=True)) for f in facts]
        typer.echo(json.dumps(listed, indent=1, ensure_ascii=False))
        return
    made = table("name", "state", "title", "licence")
    for entry in chosen:
        size = f" {entry.download_size / 1e6:,.0f} MB" if entry.download_size else ""
        state = entry.state + size * (entry.state == "to download")
        made.add_row(*map(escaped, (entry.name, state, entry.card.title, entry.card.licence)))
    console().print(one_line_each(made, whole=(0, 1)) if chosen else "no named dataset is like this")


@app.command("info")
def describe(what: What) -> None:
    """What a dataset holds: counts, properties with units, level of theory, licence, citation."""
    from atomscape.cli.output import console
    from atomscape.data.get import catalogue
    from atomscape.data.load import load

    screen = console()
    absent = next((e for e in catalogue() if e.name == what and not e.at_hand), None)
    if absent is None:
        store = load(what)
        screen.print(card_table(store.card, store))
    else:
        screen.print(card_table(absent.card, None))
        screen.print(f"\nIt is not on this machine: {absent.how_to_get}", highlight=False)


@app.command("get")
def get(
    name: Annotated[str, typer.Argument(help="A named dataset.")],
    limit: Annotated[
        int | None, typer.Option("--limit", help="Entries to ask a service for; more later go on from there.")
    ] = None,
    filter: Annotated[
        str, typer.Option("--filter", help="Which entries of a service, in its language (docs: Download).")
    ] = "",
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask nobody: use what is here, or say what is missing.")
    ] = False,
) -> None:
    """Download a dataset; an interrupted download continues. Checksums are compared where they are known."""
    from atomscape.cli.output import console
    from atomscape.data.get import get as download

    screen = console()
    store = download(name, screen, limit=limit, filter=filter, offline=offline)
    screen.print(f"{name}: {len(store):,} structures, {store.card.n_atoms:,} atoms, in {store.folder}")


@app.command("convert")
def convert(
    what: What,
    out: Annotated[
        Path, typer.Argument(help="A folder for a store, or a file such as data.parquet or data.extxyz.")
    ],
    key: Key = None,
    unit: Unit = None,
    stress: Stress = None,
    skip_unreadable: SkipUnreadable = False,
    trust: Trust = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what exists.")] = False,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes, from files to a store.")] = 1,
) -> None:
    """Convert data: to a store (memory-mapped, readable by any Arrow tool) or to a file of another format.

    One batch is in memory at a time, whatever the size. Where the labels of a file need explaining, say it
    here and train on the store.
    """
    from atomscape.cli.bars import bars
    from atomscape.cli.output import console, escaped
    from atomscape.data.convert import convert_any

    screen = console()
    how = reading(key, unit, stress, skip_unreadable, trust)
    done = convert_any(what, out, how, overwrite=overwrite, jobs=jobs, bar=bars(screen))
    for why in done.skipped:
        screen.print(f"left out: {escaped(why)}")
    screen.print(f"{done.structures:,} structures, {done.atoms:,} atoms, in {done.path}")


def card_table(card: Card, store: Store | None) -> Table:
    """The card of a dataset as lines for a person."""
    from atomscape.cli.output import escaped, table

    made = table("", "", title=card.title or card.name)
    rows = {
        "description": card.description,
        "structures": f"{len(store):,}" if store else "",
        "atoms": f"{card.n_atoms:,}" if card.n_atoms else "",
        "elements": " ".join(card.elements),
        "level of theory": card.level_of_theory,
        "licence": card.licence,
        "citation": card.citation,
        "address": card.url,
        "splits": ", ".join(f"{k} {n:,}" for k, n in card.splits.items()),
        "read from": card.provenance,
        "reader tried on": card.verified,
        "fingerprint": store.fingerprint if store else "",
        "place": str(store.folder) if store else "",
    }
    for name, text in rows.items():
        if text:
            made.add_row(name, escaped(text))
    for p in card.properties:
        about = ", ".join(text for text in (p.unit, f"per {p.per}", p.description) if text)
        made.add_row(f"[bold]{escaped(p.name)}[/]", escaped(about))
    return made
