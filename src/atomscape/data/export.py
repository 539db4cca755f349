"""Structures to other formats: a store, a format of ``data/formats/``, or anything else ASE writes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import ase.io
from ase.io.formats import UnknownFileTypeError, filetype, ioformats

from atomscape.atoms.ase import to_ase
from atomscape.atoms.structures import Structures
from atomscape.data.atomic import hidden_file
from atomscape.data.card import Card
from atomscape.data.format import writer_of
from atomscape.data.store import Store, write_store

BATCH = 1024


def convert(store: Store, target: str | Path, overwrite: bool = False) -> Path:
    """Write a store as a new store (a path without suffix) or as a file (the suffix says which).

    Raises
    ------
    FileExistsError
        The target exists and ``overwrite`` is False.
    ValueError
        Nothing writes such a file, or one structure fits in it and there are more.
    OSError
        The place cannot be written.
    """
    target = Path(target)
    if target.suffix == "":
        write_store(target, batches_of(store), store.card, store.splits, overwrite=overwrite)
    else:
        export(batches_of(store, BATCH), store.card, target, overwrite)
    return target


def export(batches: Iterable[Structures], card: Card, target: Path, overwrite: bool = False) -> None:
    """Write structures with their labels to a file, or to a folder; batches are streamed.

    It appears under its name when it is complete. Files that only ASE writes are not streamed.
    """
    if target.exists() and not overwrite:
        raise FileExistsError(f"{target} exists and is not overwritten; give overwrite=True or another place")
    writer = writer_of(target)
    format_ = "" if writer else _format_of(target)
    hidden = hidden_file(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        hidden.touch()
        hidden.unlink()
    except OSError as error:
        raise OSError(
            error.errno, f"cannot write {target} ({error.strerror}); choose another place"
        ) from error
    try:
        if writer:
            writer.write(hidden, batches, card)
        else:
            _write(batches, hidden, format_)
        if not hidden.exists():
            raise ValueError(f"{card.name}: nothing to write, there are no structures")
        if target.is_dir() and hidden.is_dir():
            shutil.rmtree(target)
        os.replace(hidden, target)
    except ImportError as error:
        raise ImportError(str(error).replace(str(hidden), str(target))) from error
    finally:
        if hidden.is_dir():
            shutil.rmtree(hidden, ignore_errors=True)
        hidden.unlink(missing_ok=True)


def batches_of(store: Store, size: int = 8192) -> Iterator[Structures]:
    """Yield all structures in order."""
    return (store[a : a + size] for a in range(0, len(store), size))


def _format_of(target: Path) -> str:
    """ASE's name of the format that a file name means."""
    name = target.name.removesuffix(".gz")
    try:
        found = filetype(name, read=False)
    except UnknownFileTypeError:
        found = ""
    if found not in ioformats:
        raise ValueError(
            f"no format is known by the name of {target}; use .extxyz, .parquet, .h5, .aselmdb, .db, .cif, "
            ".vasp or another suffix of ASE's, or a name without suffix for a store"
        )
    if not ioformats[found].can_write:
        raise ValueError(f"ASE reads but does not write the format {found!r} of {target}; use .extxyz")
    return found


def _write(batches: Iterable[Structures], path: Path, format_: str) -> None:
    images = [atoms for batch in batches for atoms in to_ase(batch)]
    if ioformats[format_].single and len(images) > 1:
        raise ValueError(
            f"a file of format {format_!r} holds one structure, there are {len(images)}; use .extxyz"
        )
    ase.io.write(str(path), images[0] if len(images) == 1 else images, format=format_)
