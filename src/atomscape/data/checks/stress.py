"""Stresses: symmetric, of a size that matter bears, and the virial's."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from atomscape.data.check import Correction, Finding, by_share, rows_of
from atomscape.data.edits import Unknown
from atomscape.data.examined import Examined, numpy_label
from atomscape.units import GPA, KBAR

question = "Are stresses symmetric, of a possible size, and those that the virials give?"
quick = True
needs = "stresses"

LARGE = 1.0  # eV/Å³
VIRIALS = ("virial", "virials")


def run(data: Examined) -> Iterator[Finding]:
    """Stress tensors (3×3) that are not symmetric, huge, on molecules, or contradict the virials."""
    prop = data.properties.get("stress")
    if prop is None or prop.shape != (3, 3):
        return
    stress = data.values("stress")
    size = np.abs(stress).max((1, 2))
    twist = np.abs(stress - np.swapaxes(stress, 1, 2)).max((1, 2))
    uneven = np.flatnonzero(twist > 1e-4 + 1e-2 * size)
    if uneven.size:
        text = f"stress is not symmetric, by up to {twist[uneven].max():.3g} eV/Å³"
        proposal = "where one triangle is zero it was left out: mirror the other"
        yield Finding(by_share(uneven, len(data), 0.1), text, rows_of(uneven), proposal)
    huge = np.flatnonzero(size > LARGE)
    if huge.size:
        kbar, gpa = (float(np.nanmedian(size[huge])) * u / GPA for u in (KBAR, GPA))
        text = (
            f"stress above 1 eV/Å³ (160 GPa) in {huge.size} structures, up to {size[huge].max():.4g}; the "
            f"median of these would be {kbar:.3g} GPa if in kbar, {gpa:.3g} GPa if in GPa"
        )
        proposal = "say the unit: kbar × 6.2415e-4, GPa × 6.2415e-3"
        yield Finding(by_share(huge, len(data), 0.2), text, rows_of(huge), proposal)
    free = np.flatnonzero(~data.periodic & np.isfinite(size))
    if free.size:
        edit = Correction("stress set to unknown where there is no volume", Unknown("stress"))
        text = "stress is given for structures that are not periodic in three directions"
        yield Finding("warning", text, rows_of(free), "set it to NaN", edit)
    yield from _virials(data)


def _virials(data: Examined) -> Iterator[Finding]:
    """Virial = −σ V; the ratio of what is given to that."""
    name = next((n for n in VIRIALS if n in data.properties), None)
    if name is None or data.properties[name].shape != (3, 3):
        return
    ratios, rows = [], []
    for here, s in data.chunks():
        volume = np.abs(np.linalg.det(s.cell.double().numpy()))[:, None, None]
        expected, given = -numpy_label(s, "stress") * volume, numpy_label(s, name)
        norm = (expected**2).sum((1, 2))
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = (expected * given).sum((1, 2)) / np.where(norm > 1e-6, norm, np.nan)
        wrong = np.abs(ratio - 1) > 0.02
        ratios += ratio[wrong].tolist()
        rows += here[wrong].tolist()
    if rows:
        text = f"{name} is {np.median(ratios):.4g} times −stress·V (median of {len(rows)} structures)"
        yield Finding(by_share(rows, len(data), 0.1), text, rows_of(rows), "virial = −σ V, tension positive")
