"""Which columns of ASE structures are which labels: the key conventions of extxyz files, found and reported.

A column becomes the label of the vocabulary's property whose name or alias it bears; with a prefix
(``REF_energy``) it wins over the bare name, and one column serves the whole file. Other columns of numbers
become free properties. What was chosen and what was left is a ``LabelMap`` that prints itself; what could
mean two things is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Literal

from ase import Atoms

from atomscape.atoms.columns import ISOLATED, Column, Place, columns_in
from atomscape.atoms.properties import PROPERTIES, Property, free_property
from atomscape.atoms.stresses import holds_virials, refuse_ambiguous
from atomscape.find import suggest
from atomscape.units import conversion_factor

PREFIXES = ("REF_", "ref_", "DFT_", "dft_", "")
"""Prefixes of a label's key; the first that occurs is taken."""

ALIASES: dict[str, tuple[str, ...]] = {
    "energy": ("total_energy", "potential_energy", "energy_total", "energies.total"),
    "forces": ("force", "atomic_forces"),
    "charges": ("charge",),
    "magnetic_moments": ("magmoms", "magmom"),
    "total_charge": ("charge",),
    "total_spin": ("spin", "spin_multiplicity"),
    "gap": ("band_gap", "bandgap", "homo_lumo_gap"),
    "formation_energy": ("formation_energy_per_atom", "e_form"),
    "energy_above_hull": ("e_above_hull",),
    "energy_zero_kelvin": ("energy_U0",),
    "internal_energy": ("energy_U",),
    "enthalpy": ("enthalpy_H",),
    "free_energy": ("gibbs_free_energy",),
    "tags": ("surface_tags",),
    "dipole": ("dipole_moment",),
    "stress": ("cauchy_stress", "virials", "virial"),
}
"""Other names under which files keep a property; info and arrays are told apart: ``charge`` may be both."""


@dataclass(frozen=True)
class Label:
    """One label and the column it is read from.

    ``factor`` turns the column's values into the property's unit and sign; ``virial`` says that the column
    holds virials, −σ V, instead of stresses.
    """

    property: Property
    place: Place
    key: str
    known: int
    factor: float = 1.0
    virial: bool = False

    def __str__(self) -> str:
        """``stress ← virials (info), σ = −virial/V``."""
        unit = f" [{self.property.unit}]" if self.property.unit else ""
        notes = ", σ = −virial/V" if self.virial else ""
        notes += f", × {self.factor:.6g}" if self.factor != 1 else ""
        return f"{self.property.name}{unit} ← {self.key} ({self.place}){notes}"


@dataclass(frozen=True)
class LabelMap:
    """Where the labels of some structures come from, and which columns were left and why.

    ``isolated`` says that some structures are marked as free atoms.
    """

    labels: tuple[Label, ...]
    structures: int
    ignored: Mapping[str, str] = field(default_factory=dict)
    isolated: bool = False

    @property
    def properties(self) -> dict[str, Property]:
        """Property of each label, by name."""
        return {label.property.name: label.property for label in self.labels}

    def __str__(self) -> str:
        """One line per label and per column left aside."""
        lines = [f"{label}; known in {label.known} of {self.structures}" for label in self.labels]
        lines += [f"{column} left aside: {why}" for column, why in self.ignored.items()]
        return "\n".join(lines or ["no labels"])


def label_map(
    images: Iterable[Atoms],
    keys: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    stress: Literal["tension", "compression"] | None = None,
) -> LabelMap:
    """Find out which columns hold which labels, in one pass over the structures.

    Parameters
    ----------
    keys
        Property → column, where the conventions do not find it: ``{"energy": "my_energy"}``; a column that
        stands in several places is named as ``"info:energy"``.
    units
        Property → unit of its column, where it is not the vocabulary's: ``{"stress": "GPa"}``; a file may
        state it itself, as ``stress_unit=GPa``.
    stress
        Which sign of the stress is positive in the file; tension, as in ASE, where nothing is said.

    Raises
    ------
    LookupError
        ``keys`` or ``units`` name a column or a property that does not exist.
    ValueError
        Stresses and virials contradict each other, the stress is too large to be in eV/Å³, or a stated unit
        is none of the property's.
    """
    keys, units = dict(keys or {}), dict(units or {})
    n, columns = columns_in(images)
    names = _known_names(keys, units)
    chosen: dict[str, Column] = {}
    ignored: dict[str, str] = {}
    for name in names:
        candidates = _asked(name, keys[name], columns) if name in keys else _candidates(name, columns)
        candidates = [c for c in candidates if c not in chosen.values()]
        if candidates:
            chosen[name] = candidates[0]
            ignored |= {str(c): f"{candidates[0]} is used for {name}" for c in candidates[1:]}
    units |= {name: u for name, c in chosen.items() if name not in units and (u := _stated(name, c, columns))}
    labels = [_label(name, c, units.get(name), stress) for name, c in chosen.items()]
    if "stress" in chosen and stress is None and "stress" not in units:
        candidates = [chosen["stress"], *_candidates("stress", columns)]
        refuse_ambiguous(str(chosen["stress"]), {str(c): c.stresses for c in candidates})
    rest = [c for c in columns.values() if c not in chosen.values() and str(c) not in ignored]
    for column in rest:
        free = _free(column, columns)
        if isinstance(free, Label):
            labels.append(free)
        elif free:
            ignored[str(column)] = free
    marks = columns.get(("info", "config_type"))
    isolated = marks is not None and any(text.lower() == ISOLATED for text in marks.texts)
    return LabelMap(tuple(labels), n, ignored, isolated)


def _known_names(keys: Mapping[str, str], units: Mapping[str, str]) -> list[str]:
    """Names to look for: those asked for first, then the vocabulary."""
    for name in [*keys, *units]:
        if name not in PROPERTIES and name not in keys:
            raise LookupError(
                f"no property called {name!r}{suggest(name, list(PROPERTIES))} Give a new property its "
                f"column with keys={{{name!r}: 'column'}}. Known: {', '.join(PROPERTIES)}."
            )
    return [*keys, *(name for name in PROPERTIES if name not in keys)]


def _asked(name: str, wanted: str, columns: Mapping[tuple[Place, str], Column]) -> list[Column]:
    place, _, key = wanted.rpartition(":")
    found = [c for c in columns.values() if c.key == key and place in ("", c.place)]
    if not found:
        known = sorted({c.key for c in columns.values()})
        raise LookupError(
            f"no column {wanted!r} for {name!r}{suggest(key, known)} The structures have: "
            f"{', '.join(known) or 'none'}."
        )
    return found


def _candidates(name: str, columns: Mapping[tuple[Place, str], Column]) -> list[Column]:
    """Columns that may hold a property of the vocabulary, best first."""
    places: tuple[Place, ...] = (
        ("arrays", "calculator") if PROPERTIES[name].per == "atom" else ("info", "calculator")
    )
    names = (name, *ALIASES.get(name, ()))
    wanted: list[tuple[Place, str]] = [
        (place, prefix + n) for prefix in PREFIXES for n in names for place in places
    ]
    if name == "energy":
        wanted.append(("calculator", "free_energy"))
    if name == "free_energy":
        wanted = [w for w in wanted if w[0] != "calculator"]
    found = [columns[w] for w in wanted if w in columns and columns[w].numeric]
    return [c for c in found if c.key.endswith(name) or _fits(PROPERTIES[name], c)]


def _fits(prop: Property, column: Column) -> bool:
    """Whether a column's values have as many numbers as the property's, so that an alias may be meant."""
    sizes = {6, 9} if prop.shape == (3, 3) else {prod(prop.shape)}
    return all(prod(shape) in sizes for _, shape in column.kinds)


def _stated(name: str, column: Column, columns: Mapping[tuple[Place, str], Column]) -> str | None:
    """Unit that the structures state themselves, as ``energy_unit=eV``; ``A`` is read as ångström."""
    keys = [f"{k}_{word}" for k in (column.key, name) for word in ("unit", "units")]
    found = next(
        (columns["info", k] for k in keys if ("info", k) in columns and columns["info", k].texts), None
    )
    if found is None:
        return None
    if len(found.texts) > 1 or found.known < column.known:
        raise ValueError(
            f"{found} states the unit of {name!r} in {found.known} structures of {column.known}, as "
            f"{sorted(found.texts)}; one unit for all is needed, or say it: units={{{name!r}: 'unit'}}"
        )
    return re.sub(r"\bA\b", "Å", next(iter(found.texts)).replace("eAng", "e·Å"))


def _label(name: str, column: Column, unit: str | None, stress: str | None) -> Label:
    prop = PROPERTIES.get(name) or _free_property(name, column, unit)
    virial = name == "stress" and holds_virials(column.key)
    target = "eV" if virial else prop.unit
    try:
        factor = conversion_factor(unit, target) if unit and name in PROPERTIES else 1.0
    except ValueError as error:
        raise ValueError(
            f"{column} as {name!r}: {error}; say its unit: units={{{name!r}: 'unit'}}"
        ) from error
    sign = -1.0 if stress == "compression" and name == "stress" else 1.0
    return Label(prop, column.place, column.key, column.known, sign * factor, virial)


def _free(column: Column, columns: Mapping[tuple[Place, str], Column]) -> Label | str:
    """A label for a column outside the vocabulary, or why there is none (empty: not worth a word)."""
    if column.key in PROPERTIES:
        per = PROPERTIES[column.key].per
        return f"{column.key} belongs to {per}s, not where it stands"
    if not column.numeric:
        return (
            "" if column.key == "config_type" or column.key.endswith(("_unit", "_units")) else "not numbers"
        )
    if len(column.kinds) != 1:
        return f"its shape differs between structures: {sorted(shape for _, shape in column.kinds)[:4]}"
    return _label(column.key, column, _stated(column.key, column, columns), None)


def _free_property(name: str, column: Column, unit: str | None) -> Property:
    if len(column.kinds) != 1 or not column.numeric:
        raise ValueError(f"column {column} cannot be the label {name!r}: it is not numbers of one shape")
    ((per, shape),) = column.kinds
    return free_property(name, "atom" if per == "atom" else "structure", unit or "", shape=shape)
