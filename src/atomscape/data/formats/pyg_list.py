"""Lists of structures that ``torch.save`` wrote (``.pt``): dictionaries of tensors, or PyG's ``Data``.

We write a list of dictionaries, with ``pos``, ``z``, ``cell``, ``pbc``, ``id`` and each label, and read it
without any pickled object (torch's ``weights_only``). Files with objects of PyTorch Geometric, also its
collated ``InMemoryDataset``, are read by ``atomscape.data.unpickle`` where the user trusts them. The format
is one object, held in memory as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms

from atomscape.atoms.structures import Structures
from atomscape.data.boxes import Foreign
from atomscape.data.card import Card
from atomscape.data.described import KEY, described, description, properties_in, rows_of
from atomscape.data.foreign_rows import atoms_of
from atomscape.data.format import Piece, need_trust, whole
from atomscape.data.reading import Reading
from atomscape.data.unpickle import untorched

title = "lists of PyTorch Geometric's Data, or of dictionaries of tensors"
suffixes = (".pt", ".pth")
trust = True
pieces = whole
SPELLING = {"positions": "pos", "numbers": "z"}


def inputs(path: Path) -> list[Path]:
    """The file, if its name says so."""
    return [path] if path.suffix in suffixes and path.is_file() else []


def rows(piece: Piece, reading: Reading) -> Iterator[Atoms]:
    """Structures of the list.

    Raises
    ------
    NotTrusted
        The file holds objects, and the reading does not say to trust it.
    """
    try:
        value = torch.load(piece.path, map_location="cpu", weights_only=True)
    except Exception:  # torch raises whatever it met; objects are one reason
        need_trust(piece, reading)
        value = untorched(piece.path)
    told = described(value.get(KEY)) if isinstance(value, dict) else described(None)
    for number, row in enumerate(_members(value)):
        yield atoms_of(row, str(number), told)


def write(path: Path, batches: Iterable[Structures], card: Card) -> None:
    """Write a dictionary with the list under ``structures``, and its description."""
    made: list[dict[str, Any]] = []
    properties: dict = {}
    for batch in batches:
        properties = properties or properties_in(card, batch)
        made += [_tensors(row) for row in rows_of(batch, properties, len(made))]
    with path.open("wb") as file:  # given a path, torch writes its name into the file
        torch.save({KEY: description(properties, card), "structures": made}, file)


def _tensors(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        SPELLING.get(k, k): v if isinstance(v, str) else torch.from_numpy(np.array(v)) for k, v in row.items()
    }


def _members(value: Any) -> Iterator[Any]:
    """Rows of a list, of ours, of one structure, or of a collated ``InMemoryDataset`` (data, slices)."""
    if isinstance(value, dict) and isinstance(value.get("structures"), list):
        value = value["structures"]
    if isinstance(value, tuple) and len(value) >= 2 and isinstance(value[1], dict):
        yield from _collated(value[0], value[1])
    elif isinstance(value, list | tuple):
        yield from value
    elif isinstance(value, dict | Foreign):
        yield value
    else:
        raise ValueError(f"the file holds a {type(value).__name__}; a list of structures is read")


def _collated(data: Any, slices: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Cut what PyTorch Geometric joined: ``slices[name]`` are the bounds of each structure."""
    store = data.attributes.get("_store") if isinstance(data, Foreign) else None
    held = store.attributes.get("_mapping", {}) if isinstance(store, Foreign) else data
    held = held.attributes if isinstance(held, Foreign) else held
    bounds = {
        k: np.asarray(v).tolist() for k, v in slices.items() if isinstance(held.get(k), torch.Tensor | list)
    }
    for i in range(len(next(iter(bounds.values()))) - 1):
        yield {k: held[k][b[i] : b[i + 1]] for k, b in bounds.items()}
