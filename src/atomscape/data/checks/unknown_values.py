"""Infinite labels, and labels that are known for some atoms of a structure and not for others."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from atomscape.data.check import Correction, Finding, rows_of
from atomscape.data.edits import Unknown
from atomscape.data.examined import Examined, numpy_label

question = "Is every label a finite number or NaN, and known for all atoms of a structure or none?"
quick = True
needs = "labels"


def run(data: Examined) -> Iterator[Finding]:
    """Rows with infinite or partly known values, label by label."""
    infinite: dict[str, list[int]] = {}
    partly: dict[str, list[int]] = {}
    for here, s in data.chunks():
        owner, n = s.structure.numpy(), len(s)
        for name in s.labels:
            flat = numpy_label(s, name).reshape(len(s.labels[name]), -1)
            wrong, unknown = np.isinf(flat).any(1), np.isnan(flat).any(1)
            if s.runs_over_atoms(name):
                wrong = np.bincount(owner, wrong, minlength=n) > 0
                of_atoms = np.bincount(owner, unknown, minlength=n)
                some = (of_atoms > 0) & (of_atoms < s.counts.numpy())
                partly.setdefault(name, []).extend(here[some].tolist())
            infinite.setdefault(name, []).extend(here[wrong].tolist())
    for name, rows in infinite.items():
        if rows:
            edit = Correction(f"{name} set to unknown where infinite", Unknown(name))
            yield Finding("serious", f"{name} is infinite", rows_of(rows), "set it to NaN", edit)
    for name, rows in partly.items():
        if rows:
            text = f"{name} is known for some atoms of a structure and not for others"
            yield Finding("note", text, rows_of(rows), "nothing if meant: unknown atoms are masked")
