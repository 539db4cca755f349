"""The vocabulary of properties: losses, heads, units, symmetry tests, plots and readers all read it.

A property says in which unit its values are kept, whether they belong to atoms or to structures, how they
turn under rotation and inversion, whether they add up over parts, and whose derivative they are.
Values are Cartesian inside (a stress is 3×3); the irreps state their content.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

from atomscape.o3.irreps import Irreps


@dataclass(frozen=True)
class Property:
    """One kind of label or prediction.

    ``shape`` is the Cartesian shape of one value: ``()`` scalar, ``(3,)`` vector, ``(3, 3)`` tensor.
    """

    name: str
    unit: str
    per: Literal["atom", "structure"]
    irreps: Irreps
    extensive: bool
    derivative_of: str | None = None
    shape: tuple[int, ...] = ()
    description: str = ""


def _p(name, unit, per, irreps, extensive, description, derivative_of=None, shape=()) -> Property:
    return Property(name, unit, per, Irreps(irreps), extensive, derivative_of, shape, description)


_SCALAR, _VECTOR, _SYMMETRIC = "0e", "1o", "0e+2e"

PROPERTIES: dict[str, Property] = {
    p.name: p
    for p in (
        _p("energy", "eV", "structure", _SCALAR, True, "potential energy of the structure"),
        _p("forces", "eV/Å", "atom", _VECTOR, False, "−∂E/∂positions", "energy", (3,)),
        _p(
            "stress",
            "eV/Å³",
            "structure",
            _SYMMETRIC,
            False,
            "(1/V) ∂E/∂strain, tension positive",
            "energy",
            (3, 3),
        ),
        _p("formation_energy", "eV/atom", "structure", _SCALAR, False, "formation energy per atom"),
        _p(
            "energy_above_hull",
            "eV/atom",
            "structure",
            _SCALAR,
            False,
            "distance to the convex hull per atom",
        ),
        _p("gap", "eV", "structure", _SCALAR, False, "HOMO–LUMO or band gap"),
        _p("homo", "eV", "structure", _SCALAR, False, "energy of the highest occupied orbital"),
        _p("lumo", "eV", "structure", _SCALAR, False, "energy of the lowest unoccupied orbital"),
        _p("dipole", "e·Å", "structure", _VECTOR, True, "electric dipole moment", None, (3,)),
        _p("dipole_norm", "e·Å", "structure", _SCALAR, False, "magnitude of the electric dipole moment"),
        _p(
            "polarizability",
            "Å³",
            "structure",
            _SYMMETRIC,
            True,
            "static polarizability volume",
            None,
            (3, 3),
        ),
        _p(
            "isotropic_polarizability",
            "Å³",
            "structure",
            _SCALAR,
            True,
            "a third of the polarizability's trace",
        ),
        _p("electronic_spatial_extent", "Å²", "structure", _SCALAR, True, "⟨r²⟩ of the electron density"),
        _p("zero_point_energy", "eV", "structure", _SCALAR, True, "zero-point vibrational energy"),
        _p("energy_zero_kelvin", "eV", "structure", _SCALAR, True, "internal energy at 0 K, U₀"),
        _p("internal_energy", "eV", "structure", _SCALAR, True, "internal energy at 298.15 K, U"),
        _p("enthalpy", "eV", "structure", _SCALAR, True, "enthalpy at 298.15 K, H"),
        _p("free_energy", "eV", "structure", _SCALAR, True, "Gibbs free energy at 298.15 K, G"),
        _p("heat_capacity", "eV/K", "structure", _SCALAR, True, "heat capacity at 298.15 K, C_v"),
        _p("charges", "e", "atom", _SCALAR, False, "partial charges"),
        _p("magnetic_moments", "μB", "atom", _SCALAR, False, "collinear magnetic moments"),
        _p("total_charge", "e", "structure", _SCALAR, True, "net charge"),
        _p("total_spin", "1", "structure", _SCALAR, False, "spin multiplicity 2S+1"),
        _p(
            "isolated_atom", "1", "structure", _SCALAR, False, "1 for a free atom whose energy is a reference"
        ),
    )
}


def property_named(name: str) -> Property | None:
    """Return the property of that name, or None if the vocabulary does not have it."""
    return PROPERTIES.get(name)


def free_property(
    name: str,
    per: Literal["atom", "structure"],
    unit: str = "",
    extensive: bool = False,
    shape: tuple[int, ...] = (),
) -> Property:
    """A property outside the vocabulary, as a user's own column in a file: numbers that do not turn."""
    irreps = Irreps(f"{max(1, prod(shape))}x{_SCALAR}")
    return Property(name, unit, per, irreps, extensive, None, shape, "column of the user's file")
