"""What is in a batch of structures: counts, elements, labels with units and ranges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from ase.data import atomic_masses, chemical_symbols

from atomscape.atoms.properties import Property, free_property, property_named
from atomscape.atoms.structures import Structures
from atomscape.units import convert


@dataclass(frozen=True)
class Range:
    """Smallest, middle and largest of some values."""

    minimum: float
    median: float
    maximum: float

    @staticmethod
    def of(values: np.ndarray) -> Range | None:
        """Range of the finite values; None if there are none."""
        values = values[np.isfinite(values)]
        return Range(*np.quantile(values, [0.0, 0.5, 1.0]).tolist()) if values.size else None

    def __str__(self) -> str:
        """``1.2 … 3.4 (median 2)``."""
        if self.minimum == self.maximum:
            return f"{self.minimum:.6g}"
        return f"{self.minimum:.6g} … {self.maximum:.6g} (median {self.median:.6g})"


@dataclass(frozen=True)
class LabelSummary:
    """One label: its property, of how many structures or atoms it is known, and its range.

    ``range`` is over all components in the property's unit; None if nothing is known.
    """

    property: Property
    known: int
    missing: int
    range: Range | None


@dataclass(frozen=True)
class Description:
    """Summary of a batch. Volumes (Å³ per atom) and densities (g/cm³) are of fully periodic structures."""

    structures: int
    atoms: int
    sizes: Range | None
    elements: Mapping[str, int]
    periodic: Mapping[str, int]
    volume_per_atom: Range | None
    density: Range | None
    labels: tuple[LabelSummary, ...]

    def __str__(self) -> str:
        """Plain text, one fact per line."""
        lines = [f"{self.structures} structures, {self.atoms} atoms"]
        if self.sizes:
            lines.append(f"atoms per structure: {self.sizes}")
        lines.append("elements (structures): " + ", ".join(f"{k} {n}" for k, n in self.elements.items()))
        lines.append("periodic along: " + ", ".join(f"{k} {n}" for k, n in self.periodic.items()))
        if self.volume_per_atom and self.density:
            lines.append(f"volume per atom: {self.volume_per_atom} Å³; density: {self.density} g/cm³")
        for label in self.labels:
            p = label.property
            missing = f", {label.missing} missing" if label.missing else ""
            lines.append(
                f"{p.name} [{p.unit or 'no unit'}] per {p.per}: {label.range or 'nothing known'}{missing}"
            )
        return "\n".join(lines)


def describe(structures: Structures, properties: Mapping[str, Property] | None = None) -> Description:
    """Summarise a batch; what is wrong in it ``atomscape.data.audit`` finds.

    Parameters
    ----------
    structures
        The batch; a whole dataset may be given.
    properties
        Property of each label, for units; without it the vocabulary, else a label has no unit.
    """
    s = structures.to("cpu")
    counts, numbers = s.counts.numpy(), s.numbers.numpy()
    volume = s.volume.detach().double().numpy()
    known = {name: _property_of(s, name, properties or {}) for name in s.labels}
    occupied = counts > 0
    per_atom = volume[occupied] / counts[occupied]
    mass = np.bincount(s.structure.numpy(), _masses(numbers), minlength=len(s))
    grams_per_cm3 = convert(1.0, "u/Å³", "g/cm³")
    return Description(
        len(s),
        s.n_atoms,
        Range.of(counts.astype(float)),
        _elements(numbers, s.structure.numpy()),
        _periodic(s.pbc.numpy()),
        Range.of(per_atom),
        Range.of(mass / np.where(volume > 0, volume, np.nan) * grams_per_cm3),
        tuple(_summary(known[name], values.detach().double().numpy()) for name, values in s.labels.items()),
    )


def _masses(numbers: np.ndarray) -> np.ndarray:
    inside = np.clip(numbers, 0, len(atomic_masses) - 1)
    return atomic_masses[inside]


def _elements(numbers: np.ndarray, structure: np.ndarray) -> dict[str, int]:
    """In how many structures each element occurs."""
    pairs = np.unique(np.stack([numbers, structure]), axis=1)
    found, counts = np.unique(pairs[0], return_counts=True)
    names = [chemical_symbols[z] if 0 < z < len(chemical_symbols) else f"Z={z}" for z in found]
    return dict(zip(names, counts.tolist(), strict=True))


def _periodic(pbc: np.ndarray) -> dict[str, int]:
    """Number of structures by the directions along which they repeat: ``abc``, ``ab``, ``none``."""
    names = ["".join(k for k, p in zip("abc", row, strict=True) if p) or "none" for row in pbc.tolist()]
    return {name: names.count(name) for name in sorted(set(names))}


def _property_of(s: Structures, name: str, properties: Mapping[str, Property]) -> Property:
    found = properties.get(name) or property_named(name)
    per = "atom" if s.runs_over_atoms(name) else "structure"
    shape = tuple(s.labels[name].shape[1:])
    return found or replace(free_property(name, per), shape=shape)


def _summary(prop: Property, values: np.ndarray) -> LabelSummary:
    missing = int(np.isnan(values.reshape(len(values), -1)).any(1).sum()) if len(values) else 0
    return LabelSummary(prop, len(values) - missing, missing, Range.of(values))
