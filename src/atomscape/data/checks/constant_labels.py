"""Labels that say nothing: one value in all structures, as tags that a copy has lost."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from atomscape.data.check import Correction, Finding
from atomscape.data.edits import Dropped
from atomscape.data.examined import Examined, numpy_label

question = "Does every label take more than one value?"
quick = True
needs = "20 structures"

FEWEST = 20
EXPECTED = ("total_charge", "total_spin", "isolated_atom", "forces")
"""One value is the rule here, or another check looks at it."""


def run(data: Examined) -> Iterator[Finding]:
    """Labels with one value in all of at least 20 structures; zero energies or stresses are worse."""
    if len(data) < FEWEST:
        return
    count: dict[str, int] = {}
    low: dict[str, float] = {}
    high: dict[str, float] = {}
    for _, s in data.chunks():
        for name in s.labels:
            known = numpy_label(s, name)
            known = known[np.isfinite(known)]
            count[name] = count.get(name, 0) + known.size
            if known.size:
                low[name] = min(low.get(name, np.inf), float(known.min()))
                high[name] = max(high.get(name, -np.inf), float(known.max()))
    for name, value in low.items():
        if name in EXPECTED or value != high[name] or count[name] < FEWEST:
            continue
        atoms = "all atoms of " if data.properties[name].per == "atom" else ""
        yield Finding(
            "serious" if value == 0 and name in ("energy", "stress") else "warning",
            f"{name} is {value:g} for {atoms}all structures: it tells nothing, and may be lost",
            (),
            f"leave {name} out, or read it from the original",
            Correction(
                f"{name} left out: it is {value:g} everywhere", Dropped(name), tuple(range(len(data)))
            ),
        )
