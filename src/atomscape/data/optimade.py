"""Structures from services that speak OPTIMADE, the common interface of materials databases (v1).

C. W. Andersen et al., Sci. Data 8, 217 (2021); https://specification.optimade.org. Positions and lattice
vectors are in Å. A filter is written in its language: ``elements HAS ALL "Li","O" AND nelements=3``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode, urljoin

import numpy as np

from atomscape.data.pages import Ask, Service
from atomscape.data.rows import Row, numbers_of

FIELDS = (
    "lattice_vectors", "cartesian_site_positions", "species_at_sites", "species", "dimension_types",
    "nsites", "structure_features",
)  # fmt: skip
"""What a structure is made of."""


def optimade(base: str, fields: Sequence[str] = (), page: int = 100, whole: bool = True) -> Service:
    """The service at ``base`` (without ``/structures``), asked for structures and more ``fields``."""

    def first(filter: str) -> Ask:
        asked = {"response_fields": ",".join((*FIELDS, *fields)), "page_limit": page}
        return Ask(f"{base}/structures?{urlencode(asked | ({'filter': filter} if filter else {}))}")

    return Service(first, _following, lambda answer: answer["data"], _total, whole=whole)


def optimade_rows(
    entries: Iterable[Mapping[str, Any]], labels: Callable[[Mapping[str, Any]], Mapping[str, Any]]
) -> Iterator[Row]:
    """Rows of entries; ``labels`` makes an entry's labels from its attributes.

    Left out are entries without positions, and those with sites that are occupied in part, by an unknown
    element or by several.

    Raises
    ------
    ValueError
        An entry is not as the specification says; the message names it.
    """
    for entry in entries:
        attributes = entry["attributes"]
        try:
            symbols, positions = _symbols(attributes), attributes["cartesian_site_positions"]
            if symbols is None or not positions or any(x is None for site in positions for x in site):
                continue
            cell, pbc = _cell(attributes)
            yield Row(str(entry["id"]), numbers_of(symbols), positions, cell, labels(attributes), pbc)
        except (KeyError, TypeError) as error:
            raise ValueError(f"{entry['id']} is no structure of OPTIMADE: {error!r}") from error


def _symbols(attributes: Mapping[str, Any]) -> list[str] | None:
    """Element of each site; None where a site is no single whole atom."""
    names = attributes["species_at_sites"]
    species = {s["name"]: s for s in attributes.get("species") or ()}
    symbols = {}
    for name in set(names):
        described = species.get(name, {"chemical_symbols": [name], "concentration": [1]})
        found = described["chemical_symbols"]
        if len(found) != 1 or found[0] in ("X", "vacancy") or described["concentration"][0] != 1:
            return None
        if any(count for count in described.get("nattached") or ()):
            return None
        symbols[name] = found[0]
    return [symbols[name] for name in names]


def _cell(attributes: Mapping[str, Any]) -> tuple[np.ndarray | None, tuple[bool, bool, bool]]:
    """Lattice vectors (Å), zero along axes that are not periodic, and which are."""
    vectors = attributes.get("lattice_vectors")
    periodic = attributes.get("dimension_types") or [int(vectors is not None)] * 3
    pbc = (bool(periodic[0]), bool(periodic[1]), bool(periodic[2]))
    if vectors is None:
        return None, pbc
    rows = [v if on and None not in v else [0.0] * 3 for v, on in zip(vectors, pbc, strict=True)]
    return np.array(rows, dtype=np.float64), pbc


def _following(ask: Ask, answer: Mapping[str, Any]) -> Ask | None:
    """The next page: a link is an address, or an object with one, or null."""
    link = (answer.get("links") or {}).get("next")
    address = link.get("href") if isinstance(link, Mapping) else link
    return Ask(urljoin(ask.url, address)) if address else None


def _total(answer: Mapping[str, Any]) -> int | None:
    return (answer.get("meta") or {}).get("data_returned")
