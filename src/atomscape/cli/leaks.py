"""``atomscape data leaks``: what the parts of a split, or two datasets, have in common."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atomscape.cli.reading import What

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from rich.console import Console

    from atomscape.data.leaks import Contents, Leak
    from atomscape.data.store import Store


def leaks(
    what: What,
    split_file: Annotated[
        Path | None, typer.Argument(metavar="[SPLIT]", help="A split file; else the dataset's own split.")
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(help="Another dataset that is learned from: which of its structures are here too?"),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Find equal positions only, not turned or reordered copies.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of findings.")] = False,
) -> None:
    """Say what the parts of a split have in common; exit status 1 if structures stand in two of them."""
    import json

    from atomscape.cli.output import console
    from atomscape.data.leaks import contents, find_leaks
    from atomscape.data.load import load

    store, others = load(what), [load(name) for name in against or ()]
    read: list[Contents] = [
        contents("" if not others else store.card.name, name, store, rows, not quick)
        for name, rows in _parts_of(store, split_file, bool(others)).items()
    ]
    read += [contents(o.card.name, "whole", o, None, not quick) for o in others]
    found = find_leaks(read)
    if as_json:
        typer.echo(json.dumps([leak.as_dict() for leak in found], indent=1, ensure_ascii=False))
    else:
        show(found, console())
    if any(leak.serious for leak in found):
        raise typer.Exit(1)


def show(found: Sequence[Leak], screen: Console) -> None:
    """Print leaks one a line, serious ones in red."""
    from atomscape.cli.output import escaped

    for leak in found:
        screen.print(f"[red]leak:[/] {escaped(str(leak))}" if leak.serious else f"note: {escaped(str(leak))}")
    if not found:
        screen.print("no leaks found")


def _parts_of(store: Store, path: Path | None, whole: bool) -> Mapping[str, Sequence[int] | np.ndarray]:
    from atomscape.data.splits import index_file_split

    if path is not None:
        return index_file_split(path, store)
    own = {name: store.splits[name] for name in ("train", "val", "test") if name in store.splits}
    if len(own) > 1:
        return own
    if whole:
        return {"all": range(len(store))}
    raise ValueError(f"{store.card.name} has no split of its own; name a split file, or a dataset --against")
