"""The same structure, however it is turned, moved, ordered, or repeated: equal fingerprints.

Names hold within one call only: stable splits of several datasets need another grouping, as by composition.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from atomscape.atoms.fingerprint import fingerprints, first_of_kind, matches
from atomscape.atoms.structures import Structures
from atomscape.data.groups.composition import reduced_formulas


def name_groups(batches: Iterable[Structures]) -> Iterator[str]:
    """Formula and number of the first structure that each is the same as."""
    formulas, prints = [], []
    for structures in batches:
        formulas += reduced_formulas(structures)
        prints.append(fingerprints(structures).numpy())
    if formulas:
        pairs = matches(np.unique(formulas, return_inverse=True)[1], np.concatenate(prints))
        yield from (f"{formulas[k]}-{k}" for k in first_of_kind(len(formulas), pairs).tolist())
