"""What our writers say in a file about its columns: unit, shape, whether they belong to atoms or structures.

Formats hold bare numbers. The description, a line of JSON in the file's metadata, lets another reader know
the units, and lets ours put every column where it was.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from atomscape import __version__
from atomscape.atoms.properties import Property, free_property, property_named
from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, PropertyRecord, records

KEY = "atomscape"
"""Name of the description among the metadata of a file."""


@dataclass(frozen=True)
class Described:
    """``per`` tells for each column whether it runs over atoms; ``units`` are texts as ``gap_unit=eV``."""

    per: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


NOTHING = Described()


def description(properties: Mapping[str, Property], card: Card) -> str:
    """The line of JSON: the dataset's name, licence, citation and level of theory, and all properties."""
    told = {k: getattr(card, k) for k in ("name", "title", "licence", "citation", "level_of_theory")}
    kept = [record.model_dump(mode="json") for record in records(*properties.values())]
    return json.dumps(
        {"atomscape": __version__, "positions": "Å", **told, "properties": kept}, ensure_ascii=False
    )


def described(text: str | bytes | None) -> Described:
    """What such a line says; nothing, where there is none."""
    if not text:
        return NOTHING
    kept = [PropertyRecord.model_validate(p) for p in json.loads(text)["properties"]]
    return Described(
        {p.name: p.per for p in kept},
        {f"{p.name}_unit": p.unit for p in kept if p.unit and property_named(p.name) is None},
        {p.name: p.shape for p in kept},
    )


def properties_in(card: Card, batch: Structures) -> dict[str, Property]:
    """Property of each label that will be written: those of the card, and others of the first batch."""
    found = {p.name: p.property() for p in card.properties}
    for name, values in batch.labels.items():
        per = "atom" if batch.runs_over_atoms(name) else "structure"
        known = property_named(name) or free_property(name, per, shape=tuple(values.shape[1:]))
        found.setdefault(name, known)
    return found


def arrays_of(batch: Structures, properties: Mapping[str, Property]) -> dict[str, np.ndarray]:
    """Arrays of a batch by name: geometry, and labels in float64 or float32; NaN where one is missing.

    Raises
    ------
    ValueError
        The batch has a label that the batches before it did not have.
    """
    extra = [name for name in batch.labels if name not in properties]
    if extra:
        raise ValueError(f"label {extra[0]!r} is new in a later batch; give all batches the same labels")
    arrays: dict[str, Any] = {
        name: getattr(batch, name).detach().cpu().numpy() for name in ("positions", "numbers", "cell", "pbc")
    }
    for name, prop in properties.items():
        rows = batch.n_atoms if prop.per == "atom" else len(batch)
        given = batch.labels.get(name)
        missing = np.full((rows, *prop.shape), np.nan)
        arrays[name] = missing if given is None else given.detach().cpu().numpy()
    return arrays


def ids_of(batch: Structures, first: int) -> list[str]:
    """Name of each structure; counted from ``first`` where there is none."""
    return [name or str(first + k) for k, name in enumerate(batch.ids or ("",) * len(batch))]


def rows_of(batch: Structures, properties: Mapping[str, Property], first: int) -> Iterator[dict[str, Any]]:
    """One dictionary of arrays for each structure, with its ``id``."""
    arrays, ids = arrays_of(batch, properties), ids_of(batch, first)
    atomic = {"positions", "numbers"} | {name for name, p in properties.items() if p.per == "atom"}
    for k, (a, b) in enumerate(pairwise(batch.offsets.tolist())):
        yield {"id": ids[k], **{n: v[a:b] if n in atomic else v[k] for n, v in arrays.items()}}
