"""Stores to other formats: another store, extended XYZ, or anything else ASE writes."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import ase.db
import ase.io
from ase.io.formats import UnknownFileTypeError, filetype, ioformats, open_with_compression

from atomscape.atoms.ase import to_ase
from atomscape.atoms.structures import Structures
from atomscape.data.store import Store, write_store

BATCH = 1024


def convert(store: Store, target: str | Path, overwrite: bool = False) -> Path:
    """Write a store as a new store (a path without suffix) or as a file (the suffix says which).

    Raises
    ------
    FileExistsError
        The target exists and ``overwrite`` is False.
    ValueError
        ASE does not write such a file, or writes one structure to it and there are more.
    OSError
        The place cannot be written.
    """
    target = Path(target)
    if target.suffix == "":
        write_store(target, batches_of(store), store.card, store.splits, overwrite=overwrite)
    else:
        export(store, target, overwrite)
    return target


def export(store: Store, target: Path, overwrite: bool = False) -> None:
    """Write all structures with their labels to one file; extended XYZ and databases are streamed.

    ASE prints eight decimals to extended XYZ. The file appears under its name when it is complete.
    """
    if target.exists() and not overwrite:
        raise FileExistsError(f"{target} exists and is not overwritten; give overwrite=True or another place")
    format_ = _format_of(target)
    hidden = target.with_name(f".{secrets.token_hex(4)}.{target.name}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        hidden.touch()
        hidden.unlink()
    except OSError as error:
        raise OSError(
            error.errno, f"cannot write {target} ({error.strerror}); choose another place"
        ) from error
    try:
        _write(store, hidden, format_)
        os.replace(hidden, target)
    finally:
        hidden.unlink(missing_ok=True)


def batches_of(store: Store, size: int = 8192) -> Iterator[Structures]:
    """Yield all structures in order."""
    return (store[a : a + size] for a in range(0, len(store), size))


def _format_of(target: Path) -> str:
    """ASE's name of the format that a file name means."""
    name = target.name.removesuffix(".gz")
    try:
        found = "extxyz" if name.endswith(".xyz") else filetype(name, read=False)
    except UnknownFileTypeError:
        found = ""
    if found != "db" and found not in ioformats:
        raise ValueError(
            f"no format is known by the name of {target}; use .extxyz, .db, .cif, .vasp or another suffix "
            "of ASE's, or a name without suffix for a store"
        )
    if found != "db" and not ioformats[found].can_write:
        raise ValueError(f"ASE reads but does not write the format {found!r} of {target}; use .extxyz")
    return found


def _write(store: Store, path: Path, format_: str) -> None:
    if format_ == "extxyz":
        with open_with_compression(str(path), "w") as file:
            for batch in batches_of(store, BATCH):
                ase.io.write(file, to_ase(batch), format="extxyz")
    elif format_ == "db":
        with cast(Any, ase.db.connect(str(path))) as database:
            for batch in batches_of(store, BATCH):
                for atoms in to_ase(batch):
                    database.write(atoms, data=_json(atoms.info))
    elif ioformats[format_].single and len(store) > 1:
        raise ValueError(
            f"a file of format {format_!r} holds one structure, the dataset has {len(store)}; use .extxyz"
        )
    else:
        images = [atoms for batch in batches_of(store, BATCH) for atoms in to_ase(batch)]
        ase.io.write(str(path), images[0] if len(images) == 1 else images, format=format_)


def _json(info: dict) -> dict:
    return {k: v.tolist() if hasattr(v, "tolist") else v for k, v in info.items()}
