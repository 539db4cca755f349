"""``atomscape view``: a structure as a page in 3D or as a picture, with what a model holds at its atoms."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atomscape.cli.reading import Key, SkipUnreadable, Stress, Trust, Unit, reading

if TYPE_CHECKING:
    from atomscape.atoms.structures import Structures
    from atomscape.learn.model import Model
    from atomscape.nn.embedding import Embedding
    from atomscape.view.scene import Scene


def view(
    what: Annotated[
        str, typer.Argument(metavar="FILE", help="A file that ASE reads, a folder, a store, a named dataset.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="A page NAME.html or a picture NAME.svg.", show_default="NAME of FILE .html"),
    ] = None,
    row: Annotated[int, typer.Option(help="Which structure, from 0; −1 is the last.")] = 0,
    model: Annotated[Path | None, typer.Option(help="Folder of a run, or a model file.")] = None,
    features: Annotated[
        str, typer.Option(metavar="LAYER,L", help="With --model: layer and degree, as in last,2 or last,1o.")
    ] = "last,1",
    dark: Annotated[bool, typer.Option("--dark", help="A picture on a dark ground.")] = False,
    key: Key = None,
    unit: Unit = None,
    stress: Stress = None,
    skip_unreadable: SkipUnreadable = False,
    trust: Trust = False,
) -> None:
    """Look at a structure: a page in 3D that works offline, or a picture.

    With a model, the features of one degree are drawn at every atom: surfaces that turn with the structure.
    """
    from atomscape.cli.output import console
    from atomscape.data.load import load

    store = load(what, reading(key, unit, stress, skip_unreadable, trust))
    if not -len(store) <= row < len(store):
        raise ValueError(f"--row {row}: {what} has {len(store):,} structures, from 0")
    path = out or Path(f"{Path(what).stem}.html")
    written = write_scene(scene_of(store[row], model, features), path, dark)
    console().print(f"{written}: {written.stat().st_size:,} bytes", soft_wrap=True)


def write_scene(scene: Scene, path: Path, dark: bool = False) -> Path:
    """Write a page or a picture, as the file's name says.

    Raises
    ------
    ValueError
        The name ends neither in ``.html`` nor in ``.svg``.
    """
    from atomscape.view.page import write_page
    from atomscape.view.picture import write_picture

    if path.suffix == ".html":
        return write_page(scene, path)
    if path.suffix == ".svg":
        return write_picture(scene, path, theme="dark" if dark else "light")
    raise ValueError(f"{path}: write a page, NAME.html, or a picture, NAME.svg")


def scene_of(structure: Structures, model: Path | None, features: str) -> Scene:
    """The structure alone, or with the features that were asked for.

    Raises
    ------
    ValueError
        ``features`` is not LAYER,L.
    LookupError
        The model has no such layer, or no such degree there.
    """
    from atomscape.view.features import features_scene
    from atomscape.view.molecule import structure_scene

    if model is None:
        return structure_scene(structure)
    from atomscape.learn.checkpoint import load_model

    asked = re.fullmatch(r"(.+),\s*(\d+)([eo]?)\s*", features)
    if asked is None:
        raise ValueError(f"--features {features!r} is not LAYER,L, as in --features last,2 or last,1o")
    embedding = layer_named(layers_of(load_model(model), structure), asked[1].strip())
    parity = {"": None, "e": 1, "o": -1}[asked[3]]
    return features_scene(structure, embedding, int(asked[2]), parity)


def layers_of(model: Model, structure: Structures) -> tuple[Embedding, ...]:
    """Embeddings of a structure after every layer of a model's encoder, what enters first."""
    import torch

    from atomscape.atoms.neighbours import neighbour_graph

    with torch.no_grad():
        embedding = model.encoder(neighbour_graph(structure, model.cutoff), layers=True)
    return embedding.layers


def layer_named(layers: tuple[Embedding, ...], name: str) -> Embedding:
    """The layer of that name; ``last`` is the last.

    Raises
    ------
    LookupError
        There is none.
    """
    from atomscape.find import suggest

    names = [embedding.layer for embedding in layers]
    if name == "last":
        return layers[-1]
    if name not in names:
        raise LookupError(f"no layer {name!r}{suggest(name, names)} This model has {', '.join(names)}, last.")
    return layers[names.index(name)]
