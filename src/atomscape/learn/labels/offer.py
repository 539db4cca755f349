"""What data offer to learn: labels with units, of how many structures they are known, which head fits.

The table under an error about a wrong combination of property, dataset and head.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from atomscape.atoms.properties import Property
from atomscape.data.store import Store
from atomscape.find import suggest
from atomscape.learn.architecture import default_head
from atomscape.learn.config import Objective

Rows = Mapping[str, Mapping[str, np.ndarray]]
MOST = 40
"""Labels that are listed at most."""


def offered(
    stores: Mapping[str, Store],
    rows: Rows | None = None,
    offers: Mapping[str, Mapping[str, Property]] | None = None,
    only: Iterable[str] | None = None,
) -> str:
    """Labels of some datasets as a table.

    Parameters
    ----------
    rows
        Structures of each part of each dataset; without it known labels are counted over all.
    offers
        Properties of each dataset, with those that corruptions ask about; those of the stores without it.
    only
        Names of the labels to list; all without it.
    """
    parts = list(next(iter(rows.values()))) if rows else []
    lines = [("dataset", "label", "unit", "per", *(f"known in {p}" for p in parts or ["all"]), "head")]
    for dataset, store in stores.items():
        for p in (offers or {}).get(dataset, store.properties).values():
            if only is not None and p.name not in only:
                continue
            counts = ["made"] * max(len(parts), 1)
            if p.name in store.properties:
                known = _known(store, p)
                chosen = [known[rows[dataset][part]] for part in parts] if rows else [known]
                counts = [f"{int(k.sum()):,} of {len(k):,}" for k in chosen]
            lines.append((dataset, p.name, p.unit or "?", p.per, *counts, fitting(p)))
    if len(lines) == 1:
        return "  none"
    more = len(lines) - 1 - MOST
    return _columns(lines[: MOST + 1]) + (f"\n  … and {more} more" if more > 0 else "")


def absent(
    o: Objective,
    where: list[str],
    offers: Mapping[str, Mapping[str, Property]],
    stores: Mapping[str, Store],
) -> str:
    """What to say of an objective whose property none of its datasets has."""
    known = list(dict.fromkeys(p for d in where for p in offers[d]))
    other = [d for d in offers if o.property in offers[d]]
    elsewhere = f" {', '.join(other)} has it: set `dataset: {other[0]}`." if other else ""
    table = offered({d: stores[d] for d in where}, offers=offers)
    near = suggest(o.property, known) if not other else "."
    if o.derive is not None and not other:
        near = f", and no {o.derive.label!r} to make it of{suggest(o.derive.label, known)}"
    return f"no label {o.property!r} in {', '.join(where)}{near}{elsewhere} Labels there:\n{table}"


def other_meaning(
    first: Property,
    second: Property,
    offers: Mapping[str, Mapping[str, Property]],
    stores: Mapping[str, Store],
) -> str:
    """What to say of a label that means one thing in one dataset and another in the next."""
    wrong = [
        f"{k} {getattr(first, k)} and {getattr(second, k)}"
        for k in ("unit", "per", "shape", "irreps", "extensive", "derivative_of", "symmetry", "description")
        if getattr(first, k) != getattr(second, k)
    ]
    return (
        f"{first.name!r} means different things in two datasets: {'; '.join(wrong)}. Convert one of them, or "
        f"give it another name\n{offered(stores, offers=offers, only=[first.name])}"
    )


def fitting(p: Property) -> str:
    """The head that is taken for a property where none is named, or whose derivative it is."""
    if p.derivative_of is not None:
        return f"none: from {p.derivative_of}"
    return str(default_head(p).kind)


def _known(store: Store, p: Property) -> np.ndarray:
    """Whether each structure has a known label; one per atom counts where any atom has it."""
    values = np.asarray(store.values(p.name))
    finite = np.asarray(np.isfinite(values.reshape(len(values), -1)).all(1))
    if p.per == "structure":
        return finite
    owner = np.repeat(np.arange(len(store)), np.asarray(store.counts))
    known = np.zeros(len(store), dtype=bool)
    known[owner[finite]] = True
    return known


def _columns(lines: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ("  ".join(x.ljust(w) for x, w in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(f"  {line}".rstrip() for line in padded)
