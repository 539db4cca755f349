"""Structures as pymatgen writes them to JSON, read without pymatgen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from atomscape.data.rows import numbers_of


def read_structure(content: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Atomic numbers [atoms], positions [atoms, 3] and cell [3, 3] (Å) of a ``Structure.as_dict()``.

    Raises
    ------
    ValueError
        It is no such structure, or has partial occupancies.
    """
    try:
        cell = np.array(content["lattice"]["matrix"], dtype=np.float64).reshape(3, 3)
        sites = content["sites"]
        fractions = np.array([site["abc"] for site in sites], dtype=np.float64).reshape(-1, 3)
        species = [site["species"] for site in sites]
        if any(len(s) != 1 or s[0]["occu"] != 1 for s in species):
            raise ValueError(
                "sites are occupied in part, or by several elements; only ordered crystals are read"
            )
        numbers = numbers_of(s[0]["element"] for s in species)
    except (KeyError, TypeError, IndexError) as error:
        raise ValueError(f"not a structure as pymatgen writes it: {error!r} is missing") from error
    return numbers, fractions @ cell, cell


def site_values(content: Mapping[str, Any], name: str, shape: tuple[int, ...] = ()) -> np.ndarray | None:
    """A property of all sites [atoms, …]; None where one lacks it."""
    values = [(site.get("properties") or {}).get(name) for site in content["sites"]]
    if not values or any(v is None for v in values):
        return None
    return np.array(values, dtype=np.float64).reshape(len(values), *shape)
