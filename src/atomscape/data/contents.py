"""What some shards hold: their records, the properties and types of their labels, their elements.

Contents are joined: of the shards of one writing, of a store and what is appended to it, of merging stores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from ase.data import atomic_numbers

from atomscape.atoms.properties import Property
from atomscape.data.card import Card, records
from atomscape.data.record import FORMAT, ShardRecord, StoreRecord, fingerprint_of


@dataclass(frozen=True, eq=False)
class Contents:
    """Shards in the order of their structures; ``properties`` and ``dtypes`` of the labels met in them."""

    shards: tuple[ShardRecord, ...] = ()
    properties: Mapping[str, Property] = field(default_factory=dict)
    dtypes: Mapping[str, str] = field(default_factory=dict)
    elements: frozenset[str] = frozenset()

    @staticmethod
    def of(record: StoreRecord) -> Contents:
        """Contents of a store."""
        properties = {p.name: p.property() for p in record.card.properties}
        return Contents(record.shards, properties, record.dtypes, frozenset(record.card.elements))

    @property
    def n_structures(self) -> int:
        """Number of structures."""
        return sum(s.structures for s in self.shards)

    def joined(self, other: Contents, name: str) -> Contents:
        """These shards, then those of ``other``; labels get the wider of two types.

        Raises
        ------
        ValueError
            A label means different things in the two; the message begins with ``name``.
        """
        for label in (k for k in self.properties if k in other.properties):
            refuse_other_meaning(self.properties[label], other.properties[label], name)
        dtypes = dict(self.dtypes)
        for label, dtype in other.dtypes.items():
            dtypes[label] = str(np.result_type(dtypes.get(label, "float32"), dtype))
        return Contents(
            self.shards + other.shards,
            {**self.properties, **_new(self, other)},
            dtypes,
            self.elements | other.elements,
        )

    def record(self, card: Card, splits: Mapping[str, int], splits_sha256: str) -> StoreRecord:
        """Record of a store with these contents: the card filled in with what was counted."""
        card = card.with_counts(
            properties=records(*(p for name, p in self.properties.items() if name in self.dtypes)),
            n_structures=self.n_structures,
            n_atoms=sum(s.atoms for s in self.shards),
            elements=tuple(sorted(self.elements, key=atomic_numbers.__getitem__)),
            splits=dict(splits),
        )
        return StoreRecord(
            format=FORMAT,
            fingerprint=fingerprint_of(self.shards),
            card=card,
            shards=self.shards,
            dtypes=dict(self.dtypes),
            splits_sha256=splits_sha256,
        )


def refuse_other_meaning(here: Property, there: Property, name: str) -> None:
    """Refuse two properties of one name whose values cannot stand in one column.

    Raises
    ------
    ValueError
        Unit, shape, irreps, or what one value is for, differ.
    """
    for what in ("unit", "per", "shape", "irreps", "extensive"):
        a, b = getattr(here, what), getattr(there, what)
        if a != b:
            raise ValueError(
                f"{name}: the label {here.name!r} has {what} {str(a)!r} in one part and {str(b)!r} in "
                "another; convert one of them, or give it another name"
            )


def _new(here: Contents, there: Contents) -> dict[str, Property]:
    return {name: p for name, p in there.properties.items() if name not in here.properties}
