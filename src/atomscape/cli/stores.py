"""``atomscape data append``, ``merge`` and ``verify``: stores that grow, are joined and are checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from atomscape.cli.reading import Key, SkipUnreadable, Stress, Unit, reading

StoreFolder = Annotated[Path, typer.Argument(help="A folder with a store.")]
_TAKEN = 16_384  # structures read at once


def append(
    store: StoreFolder,
    what: Annotated[str, typer.Argument(help="What to append: anything that can be converted to a store.")],
    key: Key = None,
    unit: Unit = None,
    stress: Stress = None,
    skip_unreadable: SkipUnreadable = False,
) -> None:
    """Add structures to the end of a store. Who reads it meanwhile is not disturbed."""
    from atomscape.cli.output import console
    from atomscape.data.append import append_store
    from atomscape.data.load import load
    from atomscape.data.merge import shared_ids
    from atomscape.data.store import Store

    before = Store.open(store)
    more = load(what, reading(key, unit, stress, skip_unreadable))
    with _counted("appending", len(more), "structures") as progress:
        after = append_store(
            store,
            (more[start : start + _TAKEN] for start in range(0, len(more), _TAKEN)),
            properties=more.properties.values(),
            provenance=f"appended {more.card.name} (fingerprint {more.fingerprint})",
            progress=progress,
        )
    console().print(f"{len(before):,} + {len(more):,} = {len(after):,} structures, in {store}")
    if known := shared_ids(before, more):
        console().print(f"{known:,} of them have ids that stood in the store before: are they there twice?")


def merge(
    out: Annotated[Path, typer.Argument(help="A folder for the new store.")],
    stores: Annotated[list[str], typer.Argument(help="Two stores or named datasets, or more.")],
    names: Annotated[
        str | None,
        typer.Option(help="Names for them, as in low,high, put before ids they share."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what exists.")] = False,
) -> None:
    """Join stores into one. Their files are linked, so that this takes no room where the disk allows it."""
    from atomscape.cli.output import console
    from atomscape.data.load import load
    from atomscape.data.merge import merge_stores

    parts = [load(what) for what in stores]
    with _counted("merging", sum(map(len, parts)), "structures") as progress:
        merged = merge_stores(
            out, parts, names=names and names.split(","), overwrite=overwrite, progress=progress
        )
    counts = " + ".join(f"{len(part):,}" for part in parts)
    console().print(f"{counts} = {len(merged):,} structures, {merged.card.n_atoms:,} atoms, in {out}")


def verify(store: StoreFolder) -> None:
    """Read all files of a store and compare their checksums with its card."""
    from atomscape.cli.output import console
    from atomscape.data.store import Store

    opened = Store.open(store)
    size = sum(shard.size for shard in opened.record.shards)
    with _counted("reading", size, "bytes") as progress:
        opened.verify(progress)
    files = len(opened.record.shards)
    console().print(
        f"{store} is what its card says: {len(opened):,} structures in {files:,} file{'s' * (files > 1)}, "
        f"{size / 1e6:,.1f} MB, fingerprint {opened.fingerprint}"
    )


@contextmanager
def _counted(doing: str, total: int, what: str) -> Iterator[Callable[[int], None]]:
    """A bar on the terminal, on standard error, while something is counted."""
    from rich.console import Console
    from rich.progress import Progress

    screen = Console(stderr=True)
    with Progress(console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task(f"{doing} {total:,} {what}", total=total)
        yield lambda n: bar.advance(task, n)
