"""Numbers that stand for "unknown": −999 and the like, zeros among values that are never near zero."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from atomscape.data.check import Correction, Finding, by_share, rows_of
from atomscape.data.edits import Unknown
from atomscape.data.examined import Examined

question = "Are labels free of −999 and of zeros that mean unknown?"
quick = True
needs = "scalar labels"

VALUES = (-9999.0, -999.0, -99.0, 999.0, 9999.0, 99999.0)


def run(data: Examined) -> Iterator[Finding]:
    """Scalar labels per structure with such values; zeros of forces are looked at by ``forces``."""
    for name, prop in data.properties.items():
        if prop.shape or prop.per != "structure":
            continue
        values = data.values(name)
        edit = Correction(f"{name} set to unknown where it is a sentinel", Unknown(name))
        for value in VALUES:
            rows = np.flatnonzero(values == value)
            if rows.size:
                text = f"{name} is exactly {value:g} in {rows.size} structures, which often means unknown"
                severity = by_share(rows, len(data), 1.0 if rows.size == 1 else 0.0)
                yield Finding(severity, text, rows_of(rows), "set it to NaN", edit)
        rows, others = np.flatnonzero(values == 0), np.abs(values[(values != 0) & np.isfinite(values)])
        counted = bool((others == np.rint(others)).all())
        if not rows.size or others.size <= rows.size or counted:
            continue
        if np.quantile(others, 0.01) > 0.2 * np.median(others):
            text = (
                f"{name} is exactly 0 in {rows.size} of {len(values)}, elsewhere at least {others.min():.3g}"
            )
            yield Finding("serious", text, rows_of(rows), "set it to NaN", edit)
