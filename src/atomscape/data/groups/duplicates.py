"""The same structure, however it is turned, moved, ordered, or repeated: equal fingerprints.

Names hold within one call only: stable splits of several datasets need another grouping, as by composition.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from atomscape.atoms.fingerprint import first_of_kind
from atomscape.atoms.structures import Structures
from atomscape.data.copies import copies, identities


def name_groups(batches: Iterable[Structures]) -> Iterator[str]:
    """Formula and number of the first structure that each is the same as."""
    formulas, prints = identities(batches)
    first = first_of_kind(len(formulas), copies(formulas, prints))
    yield from (f"{formulas[k]}-{k}" for k in first.tolist())
