"""``atomscape data split``: cut a dataset into parts that train, validate and test."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atomscape.cli.reading import What

if TYPE_CHECKING:
    import numpy as np

    from atomscape.data.store import Store

PARTS = "train=0.8,val=0.1,test=0.1"
NAMES = ("train", "val", "test")


def split(
    what: What,
    out: Annotated[Path, typer.Option(help="JSON file of the split; of folds NAME-0.json, NAME-1.json, …")],
    by: Annotated[
        str,
        typer.Option(help="What stays together: composition, elements, trajectory, scaffold, prototype, …"),
    ] = "random",
    parts: Annotated[str, typer.Option(help="Fractions or counts.")] = PARTS,
    seed: Annotated[int, typer.Option(help="Seed of what is drawn.")] = 0,
    stable: Annotated[
        bool, typer.Option("--stable", help="A group's name alone decides: alike in all datasets.")
    ] = False,
    stratify: Annotated[
        str | None, typer.Option(help="Of what every part shall hold its share, as in elements.")
    ] = None,
    folds: Annotated[
        int | None, typer.Option(help="Cross-validation: so many splits; of --parts only val counts.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what exists.")] = False,
) -> None:
    """Split a dataset into parts that train, validate and test, and write it as a file.

    A config names the file with `split: {kind: file, path: split.json}`; it lists ids, so that it holds for
    every copy of the data.
    """
    from atomscape.cli.leaks import show
    from atomscape.cli.output import console
    from atomscape.data.leaks import contents, find_leaks
    from atomscape.data.load import load
    from atomscape.data.splits import shared_prefix, write_index_file

    store, screen = load(what), console()
    made = _made(store, by, _amounts(parts), seed, stable, stratify, folds)
    paths = [out] if folds is None else [out.with_stem(f"{out.stem}-{k}") for k in range(folds)]
    if existing := [str(p) for p in paths if p.exists() and not overwrite]:
        raise FileExistsError(f"{existing[0]} exists and is not overwritten; give overwrite=True or another")
    prefix = shared_prefix(store.ids)
    for path, each in zip(paths, made, strict=True):
        write_index_file(path, each, store, seed, prefix)
        screen.print(f"{path}: " + ", ".join(f"{name} {len(rows):,}" for name, rows in each.items()))
    if empty := [name for name, rows in made[0].items() if not len(rows)]:
        screen.print(f"note: nothing is in {', '.join(empty)}: there are too few groups, or too large ones")
    leaks = find_leaks([contents("", name, store, rows) for name, rows in made[0].items()])
    show(leaks, screen)


def _made(
    store: Store,
    by: str,
    parts: dict[str, float | int],
    seed: int,
    stable: bool,
    stratify: str | None,
    folds: int | None,
) -> list[dict[str, np.ndarray]]:
    from atomscape.data.group_splits import fold_split, group_split, stable_group_split, stratified_split
    from atomscape.data.grouping import groups_of
    from atomscape.data.splits import random_split

    groups = None if by == "random" else groups_of(store, by)
    if (stratify and (groups or folds)) or (stable and (folds or groups is None)):
        raise ValueError(
            "--stratify goes without --by and --folds; --stable needs --by and goes without --folds"
        )
    if folds is not None:
        of = None if groups is None else groups.of
        return [fold_split(len(store), folds, k, parts.get("val", 0.1), seed, of) for k in range(folds)]
    if stratify:
        return [stratified_split(groups_of(store, stratify).of, parts, seed)]
    if groups is None:
        return [random_split(len(store), parts, seed)]
    return [stable_group_split(groups, parts, seed) if stable else group_split(groups.of, parts, seed)]


def _amounts(text: str) -> dict[str, float | int]:
    amounts: dict[str, float | int] = {}
    for item in text.split(","):
        name, _, value = (t.strip() for t in item.partition("="))
        if name not in NAMES:
            raise ValueError(
                f"--parts {text!r} is not of the form {PARTS}: {name!r} is none of {', '.join(NAMES)}"
            )
        try:
            amounts[name] = int(value) if value.isdigit() else float(value)
        except ValueError:
            raise ValueError(f"--parts {text!r} is not of the form {PARTS}") from None
    return amounts
