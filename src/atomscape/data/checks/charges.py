"""Charge and spin: parity of the electrons, impossible charges, partial charges that do not add up."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from atomscape.data.check import Finding, by_share, rows_of
from atomscape.data.examined import Examined, numpy_label

question = "Do total charge, spin multiplicity, number of electrons and partial charges fit together?"
quick = True
needs = "total_charge with total_spin, or charges"

MOST_PER_ATOM = 8.0  # e
APART = 0.05  # e


def run(data: Examined) -> Iterator[Finding]:
    """An odd number of electrons needs an even multiplicity, and the reverse; charges add up to the total."""
    labels = data.properties.keys()
    counts, elements = data.composition
    protons = counts @ elements.astype(float)
    if {"total_charge", "total_spin"} <= labels:
        electrons = protons - data.values("total_charge")
        wrong = np.flatnonzero(np.abs((electrons + data.values("total_spin")) % 2 - 1) > 0.1)
        if wrong.size:
            text = "total_charge and total_spin do not fit the number of electrons"
            proposal = "total_spin is the multiplicity 2S+1, not 2S; look up charge and spin of these rows"
            yield Finding(by_share(wrong, len(data), 0.2), text, rows_of(wrong), proposal)
    if "total_charge" in labels:
        charge = data.values("total_charge")
        wrong = np.flatnonzero((charge > protons) | (np.abs(charge) > MOST_PER_ATOM * data.counts))
        if wrong.size:
            text = f"total_charge beyond what the atoms can bear, up to {np.abs(charge[wrong]).max():g} e"
            yield Finding("serious", text, rows_of(wrong), "set it to NaN, or look it up")
    if "charges" in labels:
        yield from _partial_charges(data)


def _partial_charges(data: Examined) -> Iterator[Finding]:
    wrong, worst = [], 0.0
    for here, s in data.chunks():
        known = numpy_label(s, "charges").reshape(-1)
        total = np.bincount(s.structure.numpy(), known, minlength=len(s))
        expected = numpy_label(s, "total_charge") if "total_charge" in s.labels else np.rint(total)
        off = np.abs(total - np.nan_to_num(expected))
        bad = off > APART + 2e-3 * s.counts.numpy()
        if "total_charge" not in s.labels and len(s.labels):
            bad &= np.abs(total) > APART * s.counts.numpy()
        wrong += here[bad].tolist()
        worst = max(worst, float(off[bad].max(initial=0)))
    if wrong:
        text = f"partial charges do not add up to the total charge, by up to {worst:.3g} e"
        proposal = "charges may be numbers of valence electrons, or those of other atoms"
        yield Finding(by_share(wrong, len(data), 0.2), text, rows_of(wrong), proposal)
