"""``atomscape embed``: the embedding of every structure of one or more datasets, kept with its provenance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from atomscape.atlas.embedding_store import EmbeddingStore
    from atomscape.learn.model import Model

MADE_FROM = "made-from.json"


def embed(
    run: Annotated[Path, typer.Argument(help="Folder of a run, or a model file.")],
    data: Annotated[list[str], typer.Argument(help="Data: named datasets, files, folders, stores.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for them, one in it per dataset.", show_default="RUN/embeddings"),
    ] = None,
    layer: Annotated[str, typer.Option(help="Name of a layer; a wrong one lists them.")] = "last",
    pooling: Annotated[str, typer.Option(help="mean or sum over the atoms of a structure.")] = "mean",
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many of each, at random.")] = None,
    seed: Annotated[int, typer.Option(help="Of the random choice.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace embeddings that exist.")] = False,
) -> None:
    """Embed datasets: pooled invariants of one layer for every structure.

    A run that was stopped takes over what was finished when it is started again.
    """
    from atomscape.cli.output import console
    from atomscape.learn.checkpoint import load_model

    screen, model = console(), load_model(run)
    home = out or (run if run.is_dir() else run.parent) / "embeddings"
    made = []
    for what in data:
        folder = home / folder_name(what)
        store = embedded(model, what, folder, layer, pooling, chosen(what, limit, seed), overwrite, screen)
        made.append(folder)
        what_it_is = f"{len(store):,} structures × {store.n_features} features of {store.card.origin.layer}"
        screen.print(f"{folder}: {what_it_is}")
    screen.print(f"next:  atomscape map {' '.join(map(str, made))}")


def embedded(
    model: Model,
    what: str,
    folder: Path,
    layer: str,
    pooling: str,
    rows,
    overwrite: bool,
    screen: Console,
) -> EmbeddingStore:
    """Embed one dataset with a progress bar, and note what was embedded for ``atomscape map``.

    Raises
    ------
    FileExistsError
        The folder exists and is not to be overwritten.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from atomscape.atlas.embed import embed as write
    from atomscape.data.load import load

    if folder.exists() and not overwrite:
        raise FileExistsError(f"{folder} exists; --overwrite replaces it, --out names another place")
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task(f"embedding {what}", total=None)
        made = write(
            model,
            load(what),
            folder,
            layer=layer,
            pooling=pooling,
            rows=rows,
            overwrite=overwrite,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    source = str(Path(what).resolve()) if Path(what).exists() else what
    (folder / MADE_FROM).write_text(json.dumps({"data": source}) + "\n", encoding="utf-8")
    return made


def chosen(what: str, limit: int | None, seed: int):
    """Rows to embed: all (None), or ``limit`` of them at random, in order."""
    if limit is None:
        return None
    import numpy as np

    from atomscape.data.load import load

    n = len(load(what))
    return np.sort(np.random.default_rng(seed).choice(n, min(limit, n), replace=False))


def folder_name(what: str) -> str:
    """Folder for a dataset's embeddings: the last part of its name or path, without an ending."""
    return Path(what).resolve().stem if Path(what).exists() else what.rpartition(".")[2]
