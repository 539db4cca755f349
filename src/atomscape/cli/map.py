"""``atomscape map``: embeddings become one HTML file."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atomscape.cli.embed import MADE_FROM

if TYPE_CHECKING:
    from rich.console import Console

    from atomscape.data.store import Store


class Shown(StrEnum):
    """Projections on the page."""

    both = "both"
    pca = "pca"
    umap = "umap"


def map_page(
    embeddings: Annotated[list[Path], typer.Argument(help="Folders that `atomscape embed` wrote.")],
    out: Annotated[Path, typer.Option(help="The page.")] = Path("map.html"),
    projection: Annotated[Shown, typer.Option(help="How to get to two dimensions.")] = Shown.both,
    colour: Annotated[str, typer.Option("--colour", "--color", help="What colours the points first.")] = "",
    title: Annotated[str, typer.Option(help="Title of the page.")] = "Map of chemical space",
    data: Annotated[
        list[str] | None, typer.Option(help="Data of each embedding, in order, where it has moved.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of UMAP and of the measurement.")] = 0,
    max_mb: Annotated[float, typer.Option(help="Above this size, some 3D structures are left out.")] = 64.0,
) -> None:
    """Project embeddings of one model to the plane and write the map as one HTML file that works offline.

    How far each projection can be trusted is measured and printed. Coordinates and projections are kept
    beside the page.
    """
    from atomscape.atlas.embedding_store import EmbeddingStore
    from atomscape.atlas.map import make_map
    from atomscape.cli.output import console

    if data and len(data) != len(embeddings):
        raise ValueError(f"{len(embeddings)} embeddings need as many --data; given {len(data)}")
    screen = console()
    make_map(
        [EmbeddingStore.open(e) for e in embeddings],
        [data_of(e, data[i] if data else None) for i, e in enumerate(embeddings)],
        out,
        projections=projections(projection, screen),
        colour=colour,
        title=title,
        seed=seed,
        max_mb=max_mb,
        report=lambda line: screen.print(line, soft_wrap=True),
    )


def projections(shown: Shown, screen: Console) -> tuple[str, ...]:
    """Names of the projections to make; ``both`` leaves out UMAP, and says so, where it is not installed."""
    from importlib.util import find_spec

    if shown is not Shown.both:
        return (shown.value,)
    if find_spec("umap") is None:
        screen.print(
            "UMAP is not installed, the map shows PCA alone; to add it: pip install 'atomscape[map]'"
        )
        return ("pca",)
    return ("umap", "pca")


def data_of(folder: Path, given: str | None) -> Store:
    """Open the dataset that embeddings were computed from.

    Raises
    ------
    LookupError
        It was not noted, or is not there any more.
    """
    from atomscape.data.load import load

    note = folder / MADE_FROM
    if given is None and not note.is_file():
        raise LookupError(f"{folder} does not say which data it is from; name them with --data")
    what = given or json.loads(note.read_text(encoding="utf-8"))["data"]
    try:
        return load(what)
    except (LookupError, FileNotFoundError) as error:
        raise LookupError(f"the data of {folder} are no longer at {what}; name them with --data") from error
