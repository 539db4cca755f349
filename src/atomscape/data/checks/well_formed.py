"""Structures that cannot be computed with: no atoms, unknown elements, infinite positions, singular cells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from atomscape.atoms.cells import heights
from atomscape.atoms.structures import Structures
from atomscape.atoms.validate import MAX_NUMBER, MIN_HEIGHT
from atomscape.data.check import Correction, Finding, rows_of
from atomscape.data.examined import Examined

question = (
    "Can a neighbour search read every structure: atoms, known elements, finite positions, a cell "
    "where periodic?"
)
quick = True
needs = "structures"

METRE = 1e-6
"""Å; cells and molecules smaller than this are in metres."""


def run(data: Examined) -> Iterator[Finding]:
    """Ill-formed rows; a periodic structure without any cell becomes a molecule, others are left out."""
    found: dict[str, list[int]] = {"atoms": [], "element": [], "infinite": [], "no cell": [], "singular": []}
    for here, s in data.chunks():
        n = len(s)
        counts, owner = s.counts.numpy(), s.structure.numpy()
        numbers, x = s.numbers.numpy(), s.positions.detach().double().numpy()
        cell, pbc = s.cell.detach().double().numpy(), s.pbc.numpy()
        unknown = np.bincount(owner, (numbers < 1) | (numbers > MAX_NUMBER), minlength=n) > 0
        infinite = np.bincount(owner, ~np.isfinite(x).all(1), minlength=n) > 0
        infinite |= ~np.isfinite(cell).all((1, 2))
        empty = pbc.any(1) & ~cell.any((1, 2))
        size = np.abs(cell).max((1, 2), initial=0)
        tall = heights(np.where(infinite[:, None, None], np.eye(3), cell), pbc)
        flat = pbc.any(1) & ~empty & (tall < MIN_HEIGHT * np.minimum(1, size)[:, None]).any(1)
        for name, mask in zip(found, (counts == 0, unknown, infinite, empty, flat), strict=True):
            found[name] += here[mask].tolist()
    says = {
        "atoms": "structures without atoms",
        "element": "atomic numbers outside 1 … 118",
        "infinite": "positions or cells that are not finite numbers",
        "singular": "cells whose rows are not independent along periodic directions",
    }
    if found["no cell"]:
        rows = found.pop("no cell")
        yield Finding(
            "serious",
            f"pbc is set in {len(rows)} of {len(data)} structures whose cell is zero: they are molecules",
            rows_of(rows),
            "set pbc to F F F",
            Correction("pbc set to F F F where there is no cell", _free),
        )
    for name, text in says.items():
        if found[name]:
            rows = rows_of(found[name])
            what = Correction(f"left out: {text}")
            yield Finding("serious", f"{len(rows)} {text}", rows, "leave them out", what)


def _free(s: Structures) -> Structures:
    return replace(s, pbc=s.pbc & False)
