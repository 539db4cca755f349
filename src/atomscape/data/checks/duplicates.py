"""Structures that are one: in another cell, in another order of atoms, turned or mirrored."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from atomscape.atoms.fingerprint import SAME, first_of_kind
from atomscape.data.check import Finding, by_share, rows_of
from atomscape.data.examined import Examined
from atomscape.data.repeated import STATE, across, first_rows, looked_at, same_pairs

question = "Is every structure another one, whatever its cell, order of atoms or frame?"
quick = False
needs = "structures"

DIFFERENT = 0.02  # eV/atom


def run(data: Examined) -> Iterator[Finding]:
    """Rows that are an earlier one in another guise, in another group; rows of the other dataset."""
    pairs = same_pairs(data)
    group = data.groups
    outside = (group[pairs[:, 0]] != group[pairs[:, 1]]) | (group[pairs[:, 0]] < 0)
    pairs = pairs[outside & _same_state(data, pairs)]
    kind = first_of_kind(len(data), pairs)
    exact = first_rows(data)
    repeats = np.flatnonzero((kind != np.arange(len(data))) & (exact == np.arange(len(data))))
    if repeats.size:
        unique, n = len(np.unique(kind[exact])), looked_at(data)
        of = "" if n == len(data) else f"; {n} structures looked at"
        text = (
            f"{len(repeats)} structures are earlier ones in another cell, order or frame (distances equal "
            "to some "
            f"{SAME} Å{of}): of {len(data)} structures {unique} are different"
        )
        proposal = "keep one of each kind, or keep each kind in one part of the split"
        yield Finding(by_share(repeats, len(data), 1.1, 0.02), text, rows_of(repeats), proposal)
    yield from _other_energy(data, pairs)
    if data.other is not None:
        rows = across(data, data.other)
        if len(rows):
            text = f"{len(rows)} structures also stand in the other dataset"
            proposal = "leave them out of the one that is tested on"
            yield Finding(by_share(rows, len(data), 1.1), text, rows_of(rows), proposal)


def _same_state(data: Examined, pairs: np.ndarray) -> np.ndarray:
    """Whether charge and multiplicity are equal, where they are given."""
    same = np.ones(len(pairs), dtype=bool)
    for name in STATE:
        if name in data.properties:
            v = np.nan_to_num(data.values(name), nan=-1e6)
            same &= v[pairs[:, 0]] == v[pairs[:, 1]]
    return same


def _other_energy(data: Examined, pairs: np.ndarray) -> Iterator[Finding]:
    for name in ("energy", "formation_energy"):
        if name not in data.properties:
            continue
        per_atom = data.values(name) / (data.counts if data.properties[name].extensive else 1)
        gap = np.abs(per_atom[pairs[:, 0]] - per_atom[pairs[:, 1]])
        wrong = gap > DIFFERENT
        if wrong.any():
            rows = np.unique(pairs[wrong].max(1))
            text = (
                f"{len(rows)} structures are the same as an earlier one with another {name}, by up to "
                f"{gap[wrong].max():.3g} eV/atom"
            )
            proposal = "another method, charge, spin or magnetic order: tell them apart, or keep one"
            yield Finding(by_share(rows, len(data), 0.05), text, rows_of(rows), proposal)
