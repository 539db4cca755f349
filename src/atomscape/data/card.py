"""The card of a dataset: contents, units, level of theory, provenance, licence.

A source states a card; a store keeps it as JSON, filled in with what was counted while writing.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from atomscape.atoms.properties import Property, property_named
from atomscape.o3.irreps import Irreps


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PropertyRecord(_Record):
    """A ``Property`` in a form that JSON can hold."""

    name: str
    unit: str
    per: Literal["atom", "structure"]
    irreps: str = "0e"
    extensive: bool = False
    derivative_of: str | None = None
    shape: tuple[int, ...] = ()
    description: str = ""
    symmetry: str = ""

    @staticmethod
    def of(prop: Property | str) -> PropertyRecord:
        """Record of a property, or of the property of that name in the vocabulary.

        Raises
        ------
        LookupError
            The vocabulary has no such name.
        """
        if isinstance(prop, str):
            known = property_named(prop)
            if known is None:
                raise LookupError(f"the vocabulary has no property called {prop!r}; give a Property instead")
            prop = known
        fields = ("name", "unit", "per", "extensive", "derivative_of", "shape", "description", "symmetry")
        return PropertyRecord(irreps=str(prop.irreps), **{f: getattr(prop, f) for f in fields})

    def property(self) -> Property:
        """Property of the vocabulary's type."""
        return Property(
            self.name, self.unit, self.per, Irreps(self.irreps), self.extensive, self.derivative_of,
            tuple(self.shape), self.description, self.symmetry,
        )  # fmt: skip


class FileRecord(_Record):
    """A file that a source downloads. Size and checksums are given only where the publisher states them."""

    url: str
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None
    stated_at: str = ""


class Card(_Record):
    """Everything a reader of results must know about a dataset.

    ``verified`` says on what the reader was tried: the published files, recorded excerpts, or hand-made ones.
    ``folders`` names the folders, below ``$ATOMSCAPE_DATA`` or the downloads, in which the files may lie, the
    best first: that is for downloading, and taken from the downloads before another is taken from
    ``$ATOMSCAPE_DATA``. Empty means one called as the dataset is.
    ``columns`` says, for a user's file, which columns became which labels and which were left aside; and of a
    store what the reader left out of the files, and why.
    ``embedded`` names the folder beside this file, for datasets that ship with the package; ``generated``
    ones are made by their reader from a fixed seed and have no files (their ``inputs`` are the code itself).
    Counts, elements and the sizes of the fixed splits are filled in when a store is written; on the card of a
    source ``n_structures`` is the published size, where it is known.
    """

    name: str
    title: str = ""
    description: str = ""
    licence: str = "unknown"
    citation: str = ""
    level_of_theory: str = "unknown"
    url: str = ""
    properties: tuple[PropertyRecord, ...] = ()
    files: dict[str, FileRecord] = {}
    embedded: str = ""
    generated: bool = False
    folders: tuple[str, ...] = ()
    provenance: str = ""
    columns: tuple[str, ...] = ()
    verified: str = ""
    n_structures: int | None = None
    n_atoms: int | None = None
    elements: tuple[str, ...] = ()
    splits: dict[str, int] = {}

    @property
    def units(self) -> dict[str, str]:
        """Unit of each property; lengths are Å everywhere."""
        return {"positions": "Å", "cell": "Å", **{p.name: p.unit for p in self.properties}}

    def with_counts(self, **counted) -> Card:
        """Return the card with fields replaced."""
        return self.model_copy(update=counted)


def records(*properties: Property | str) -> tuple[PropertyRecord, ...]:
    """Records of properties, or of names in the vocabulary, for a card."""
    return tuple(PropertyRecord.of(p) for p in properties)
