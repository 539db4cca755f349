"""Mixed levels of theory: energies in two heaps, or far from what the composition suggests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from atomscape.atoms.fingerprint import distance, fingerprints
from atomscape.atoms.formulas import reduced_formulas
from atomscape.data.check import Finding, by_share, rows_of
from atomscape.data.examined import Examined, numpy_label
from atomscape.data.repeated import STATE
from atomscape.data.residuals import bound_rows, robust_misfit

question = "Do all energies come from one method: one heap around the sum over elements, no outliers?"
quick = True
needs = "energies of 20 structures or more than elements"

OUTLIER = 5.0  # eV/atom beside the composition's share, and 30 times the median deviation
FEWEST = 20
MANY = 40
ROWS_PER_ELEMENT = 4
SAMPLE = 20_000
APART = 6.0
"""Distance of two heaps in units of their widths from which on they are two."""
SMALLEST = 0.03
"""Share of the smaller heap."""
LARGE = 0.3  # eV/atom between heaps
HOT = 2.0
"""Ratio of typical forces that explains two heaps."""
NEAREST = 100
"""Structures of each heap that are compared by their geometry."""
FARTHER = 2.0
"""Ratio of the distance to the other heap to that within the heap which explains two heaps."""
CORRECTION = 1.0  # eV/atom
ALSO = 0.1  # eV/atom by which energy and formation energy may disagree


def run(data: Examined) -> Iterator[Finding]:
    """Outliers and heaps of the energy per atom, less a robust fit by the fractions of elements."""
    for name in _energies(data):
        per_atom = data.values(name) / (data.counts if name == "energy" else 1)
        yield from _look(data, name, per_atom)
        yield from _formation(data, name, per_atom)
        if f"uncorrected_{name}" in data.properties:
            yield from _corrected(data, name)


def _energies(data: Examined) -> list[str]:
    """The energy, and a file's own columns of energies per atom."""
    own = [n for n, p in data.properties.items() if n.endswith("energy_per_atom") and p.per == "structure"]
    return [n for n in ("energy", *own) if n in data.properties and not data.properties[n].shape]


def _look(data: Examined, name: str, per_atom: np.ndarray) -> Iterator[Finding]:
    rows = data.sample(SAMPLE, bound_rows(data, per_atom))
    counts, elements = data.composition
    if len(rows) < max(FEWEST, len(elements) + 5):
        return
    shares = np.concatenate([counts[rows], _states(data, rows)], axis=1) / data.counts[rows, None]
    rest = robust_misfit(shares.astype(float), per_atom[rows])
    away = np.abs(rest - np.median(rest))
    far = (away > OUTLIER) & (away > 30 * np.median(away))
    of = "" if len(rows) == len(data) else f" ({len(rows)} structures looked at)"
    if far.any():
        text = f"{name} up to {away[far].max():.3g} eV/atom away from what the composition suggests{of}"
        proposal = "look at them: leave out what is wrong, make what is of another method another dataset"
        yield Finding(by_share(rows[far], len(rows), 0.02), text, rows_of(rows[far]), proposal)
    if len(rows) >= ROWS_PER_ELEMENT * len(elements):
        for finding in _heaps(name, rest[~far], rows[~far], of):
            other = _hot(data, finding.rows, rows) or _other_phases(data, finding.rows, rows)
            yield replace(finding, severity="warning") if other else finding


def _states(data: Examined, rows: np.ndarray) -> np.ndarray:
    """Total charge and multiplicity, a column for each value that occurs: they may change the energy."""
    columns = [np.zeros((len(rows), 0))]
    for name in STATE:
        if name in data.properties:
            values = np.nan_to_num(data.values(name)[rows])
            known = np.unique(values)[1:6]
            columns.append((values[:, None] == known).astype(float))
    return np.concatenate(columns, axis=1)


def _heaps(name: str, rest: np.ndarray, rows: np.ndarray, of: str) -> Iterator[Finding]:
    """The widest empty stretch between sorted residuals, against the widths of what lies on either side."""
    if len(rest) < MANY:
        return
    order = np.argsort(rest)
    x = rest[order]
    least = max(5, int(SMALLEST * len(x)))
    gaps = np.diff(x)[least - 1 : len(x) - least]
    if not len(gaps):
        return
    k = int(gaps.argmax()) + least
    low, high = x[:k], x[k:]
    widths = [float(np.median(np.abs(part - np.median(part)))) + 1e-4 for part in (low, high)]
    between = float(np.median(high) - np.median(low))
    empty = float(x[k] - x[k - 1])
    if empty > max(LARGE, 0.3 * between) and between > APART * max(widths):
        small = order[:k] if k < len(x) / 2 else order[k:]
        text = (
            f"{name} falls into two heaps {between:.3g} eV/atom apart ({k} and {len(x) - k} structures, "
            "widths "
            f"{widths[0]:.2g} and {widths[1]:.2g}) after the composition's share is taken away{of}"
        )
        proposal = "two methods or references: give each its own dataset and reference energies"
        yield Finding("serious", text, rows_of(rows[small]), proposal)


def _hot(data: Examined, heap: tuple[int, ...], rows: np.ndarray) -> bool:
    """Whether a heap's forces differ so much from the rest's that its energies may well do so too."""
    if "forces" not in data.properties:
        return False
    one = data.sample(50, np.array(heap))
    others = data.sample(50, np.setdiff1d(rows, heap))
    sizes = [
        float(np.nanmedian(np.linalg.norm(numpy_label(data[r], "forces"), axis=1))) for r in (one, others)
    ]
    return max(sizes) > HOT * min(sizes)


def _other_phases(data: Examined, heap: tuple[int, ...], rows: np.ndarray) -> bool:
    """Whether a heap is of other geometries than the rest, as a liquid among crystals, which explains it.

    Where methods are mixed, structures of one heap are as near to some of the other as to some of their own.
    """
    one, others = data.sample(NEAREST, np.array(heap)), data.sample(NEAREST, np.setdiff1d(rows, heap))
    formulas = [set(reduced_formulas(data[r])) for r in (one, others)]
    if len(one) < 2 or formulas[0] != formulas[1] or len(formulas[0]) > 1:
        return False
    a, b = (fingerprints(data[r], angles=False).numpy() for r in (one, others))
    own, across = distance(a[:, None], a[None]), distance(a[:, None], b[None])
    np.fill_diagonal(own, np.inf)
    return bool(np.median(across.min(1)) > FARTHER * np.median(own.min(1)))


def _corrected(data: Examined, name: str) -> Iterator[Finding]:
    """Corrections are small; where they are not, the two energies have different functionals."""
    gap = np.abs(data.values(name) - data.values(f"uncorrected_{name}"))
    rows = np.flatnonzero(gap > CORRECTION)
    if rows.size:
        text = (
            f"{name} and uncorrected_{name} differ by more than {CORRECTION} eV/atom in {rows.size} "
            "structures, "
            f"by up to {gap[rows].max():.3g}: they are of different functionals"
        )
        proposal = "keep the rows of one functional, or the formation energies alone"
        yield Finding(by_share(rows, len(data), 0.05), text, rows_of(rows), proposal)


def _formation(data: Examined, name: str, per_atom: np.ndarray) -> Iterator[Finding]:
    """Energy per atom minus formation energy is a sum over elements exactly, if both are of one method."""
    if "formation_energy" not in data.properties:
        return
    difference = per_atom - data.values("formation_energy")
    rows = np.flatnonzero(np.isfinite(difference))
    counts, _ = data.composition
    present = (counts[rows] > 0).any(0)
    if len(rows) < present.sum() + FEWEST:
        return
    fractions = (counts[rows] / data.counts[rows, None])[:, present].astype(float)
    rest = robust_misfit(fractions, difference[rows])
    off = np.abs(rest) > ALSO
    if off.any():
        text = (
            f"{name} and formation_energy of {off.sum()} of {len(rows)} structures are not of one method: "
            f"their difference is up to {np.abs(rest).max():.3g} eV/atom from a sum over elements"
        )
        proposal = (
            "functionals or corrections are mixed: keep the rows of one, or the formation energies alone"
        )
        yield Finding(by_share(rows[off], len(rows), 0.05), text, rows_of(rows[off]), proposal)
