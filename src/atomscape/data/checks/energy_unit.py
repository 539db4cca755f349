"""The unit of energies, from their size.

All-electron energies of atoms follow −0.7687 Z^(7/3) + Z²/2 − 0.2699 Z^(5/3) hartree (Thomas–Fermi with the
corrections of Scott and Schwinger; J. Schwinger, Phys. Rev. A 24, 2353 (1981)) to a few per cent, and bonds
change that by a thousandth. If the ratio of the given energies to the sum over atoms is that of a unit to the
eV, and the same for all compositions, they are all-electron energies in that unit. Energies without the core
electrons have no such scale; they can only be impossible.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from atomscape.data.check import Correction, Finding, rows_of
from atomscape.data.edits import Multiplied
from atomscape.data.examined import Examined
from atomscape.data.work import explained, work_of
from atomscape.units import HARTREE, conversion_factor

question = "Is the size of the energies one that electrons can have, in eV?"
quick = True
needs = "energies"

NAMES = ("energy", "energy_zero_kelvin", "internal_energy", "enthalpy", "free_energy")
UNITS = ("kcal/mol", "kJ/mol", "meV", "Ha", "Ry", "J")
TIGHT = 0.04
"""Relative width and distance within which ratios belong to a unit."""
TINY = 1e-5  # eV/atom


def run(data: Examined) -> Iterator[Finding]:
    """Energies in a recognised unit, beyond those of all electrons, or nearly 0."""
    counts, elements = data.composition
    atoms = counts @ _atomic(elements)
    for name in NAMES:
        if name not in data.properties:
            continue
        energy = data.values(name)
        rows = np.flatnonzero(np.isfinite(energy) & (energy != 0))
        if len(rows):
            yield from _look(data, name, energy, rows, atoms, counts @ _largest(elements))


def _look(
    data: Examined, name: str, energy: np.ndarray, rows: np.ndarray, atoms: np.ndarray, bound: np.ndarray
) -> Iterator[Finding]:
    ratio = energy[rows] / atoms[rows]
    typical = float(np.median(ratio))
    width = float(np.quantile(np.abs(ratio / typical - 1), 0.9)) if typical else np.inf
    size = np.abs(energy[rows]) / data.counts[rows]
    if width < TIGHT and abs(typical - 1) > 2 * TIGHT:
        for unit in UNITS:
            factor = conversion_factor(unit, "eV")
            if abs(typical * factor - 1) < TIGHT:
                # Energies of valence electrons of one composition may come near by chance.
                alone = unit in ("Ha", "Ry") and len(np.unique(atoms[rows])) == 1
                yield Finding(
                    "warning" if alone else "serious",
                    f"{name} is {typical:.4g} times the energy of the free atoms' electrons in eV, which is "
                    f"{typical * factor:.3f} in {unit}",
                    rows_of(rows),
                    f"multiply {name} by {factor:.6g}, and forces too if they have the same unit",
                    None if alone else _correction(data, name, unit, factor),
                )
                return
    beyond = rows[np.abs(energy[rows]) > 1.2 * bound[rows]]
    if len(beyond) > len(rows) / 2:
        text = f"{name} lies beyond the energy of all electrons together ({np.median(size):.4g} eV per atom)"
        yield Finding("serious", text, rows_of(beyond), "it is probably not in eV; state its unit")
    elif np.median(size) < TINY:
        joule = conversion_factor("J", "eV")
        text = (
            f"{name} is typically {np.median(size):.3g} eV per atom; read in joule "
            f"{np.median(size) * joule:.3g}"
        )
        edit = Correction(f"{name} multiplied by {joule:.6g} (J to eV)", Multiplied((name,), joule))
        possible = 0.05 < np.median(size) * joule < 1e5
        yield Finding(
            "serious", text, rows_of(rows), f"multiply {name} by {joule:.6g}", edit if possible else None
        )


def _correction(data: Examined, name: str, unit: str, factor: float) -> Correction:
    """Scale the energies; and the forces where work shows that they have the energies' unit."""
    names = [name]
    measured = work_of(data) if name == "energy" else None
    if measured is not None and measured.clear and explained(measured.factor, 0.35) == "right":
        names.append("forces")
    says = f"{' and '.join(names)} multiplied by {factor:.6g} ({unit} to eV)"
    return Correction(says, Multiplied(tuple(names), factor))


def _largest(elements: np.ndarray) -> np.ndarray:
    """Thomas–Fermi energies without corrections, a bound (eV)."""
    return 0.7687 * HARTREE * elements.astype(float) ** (7 / 3)


def _atomic(elements: np.ndarray) -> np.ndarray:
    z = elements.astype(float)
    return -HARTREE * (0.7687 * z ** (7 / 3) - 0.5 * z**2 + 0.2699 * z ** (5 / 3))
