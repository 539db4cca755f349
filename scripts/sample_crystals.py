"""Perfect crystals: elements at their measured lattice constants, compounds in common structure types.

The cell edge of a compound is an estimate from sums of radii (``sample_prototypes.yaml``), not a relaxation:
good to a few per cent, enough for a map. Nothing here has an energy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import yaml
from ase import Atoms
from ase.build import bulk
from ase.data import chemical_symbols, covalent_radii, reference_states
from ase.neighborlist import neighbor_list
from ase.spacegroup import crystal
from pymatgen.core import Element

TYPES = Path(__file__).with_name("sample_prototypes.yaml")
ELEMENTAL = ("fcc", "bcc", "hcp", "diamond", "sc")


def crystals() -> dict[str, Atoms]:
    """All crystals by id, ``"<structure type>-<formula>"``, primitive cells, in the order of the table."""
    found = dict(elements())
    for name, entry in yaml.safe_load(TYPES.read_text()).items():
        for row in entry["compounds"]:
            for species in product(*(column.split() for column in row.values())):
                atoms = compound(entry, dict(zip(row, species, strict=True)))
                found[f"{name}-{_formula(atoms, [_symbol(s) for s in species])}"] = atoms
    return found


def elements() -> Iterator[tuple[str, Atoms]]:
    """Elements whose ground state ASE lists as one of the simple lattices, at its lattice constants.

    Selenium and tellurium are left out: hexagonal by name, but with a basis that ASE does not list.
    """
    for number, state in enumerate(reference_states):
        if state and state["symmetry"] in ELEMENTAL and "basis" not in state:
            symbol = chemical_symbols[number]
            yield f"{state['symmetry']}-{symbol}", bulk(symbol)


def compound(entry: dict, species: dict[str, str]) -> Atoms:
    """One compound of a structure type; ``species``: the element (with its charge if ionic) of each site."""
    sites, c_over_a = entry["sites"], entry.get("c/a", 1.0)
    symbols = [_symbol(species[site]) for site in sites]

    def built(a: float) -> Atoms:
        cell = [a, a, a * c_over_a, 90, 90, 120 if 143 <= entry["space_group"] <= 194 else 90]
        setting = 2 if entry["space_group"] in (224, 227) else 1
        options = {"spacegroup": entry["space_group"], "setting": setting, "primitive_cell": True}
        return crystal(symbols, list(sites.values()), cellpar=cell, onduplicates="error", **options)

    trial = built(10.0)
    i, j, distance = neighbor_list("ijd", trial, 9.0)
    kinds = trial.arrays["spacegroup_kinds"]
    order = list(sites)
    edges = []
    for one, at_one, other, at_other in entry["contacts"]:
        pair = (kinds[i] == order.index(one)) & (kinds[j] == order.index(other))
        target = _radius(species[one], at_one, entry["radii"]) + _radius(
            species[other], at_other, entry["radii"]
        )
        edges.append(10.0 * target * entry.get("scale", 1.0) / distance[pair].min())
    return built(float(np.mean(edges)))


def _formula(atoms: Atoms, order: list[str]) -> str:
    counts = [atoms.symbols.count(symbol) for symbol in order]
    divisor = math.gcd(*counts)
    return "".join(f"{s}{n // divisor if n > divisor else ''}" for s, n in zip(order, counts, strict=True))


def _symbol(species: str) -> str:
    return species.rstrip("+-0123456789")


def _radius(species: str, coordination: str, kind: str) -> float:
    """Radius in Å; a Shannon radius is taken at the nearest coordination that is tabulated."""
    if kind == "covalent":
        return float(covalent_radii[chemical_symbols.index(species)])
    if kind == "metallic":
        return float(Element(species).data["Metallic radius"])
    symbol = _symbol(species)
    charge = species.removeprefix(symbol)  # "+", "2-"
    table = Element(symbol).data["Shannon radii"][str(int(charge[-1] + (charge[:-1] or "1")))]
    numerals = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII")
    known = [n for n in table if n in numerals]
    nearest = min(known, key=lambda n: (abs(numerals.index(n) - numerals.index(coordination)), n))
    spins = table[nearest]
    return float(spins.get("High Spin", next(iter(spins.values())))["ionic_radius"])
