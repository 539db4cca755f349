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
    ``symmetry`` is the symmetry of its indices as an equation (``"ij=ji"``), for tensors of rank 2 and more;
    ``o3.cartesian.cartesian_tensor(symmetry)`` changes between both.
    """

    name: str
    unit: str
    per: Literal["atom", "structure"]
    irreps: Irreps
    extensive: bool
    derivative_of: str | None = None
    shape: tuple[int, ...] = ()
    description: str = ""
    symmetry: str = ""


def _p(name, unit, per, irreps, extensive, description, derivative_of=None, shape=()) -> Property:
    symmetry = _SYMMETRY_OF.get(irreps, "") if len(shape) > 1 else ""
    return Property(name, unit, per, Irreps(irreps), extensive, derivative_of, shape, description, symmetry)


_SCALAR, _VECTOR, _SYMMETRIC = "0e", "1o", "0e+2e"
_ANY, _PIEZO, _FULL, _ELASTIC = "0e+1e+2e", "2x1o+2o+3o", "1o+3o", "2x0e+2x2e+4e"
_SYMMETRY_OF = {
    _SYMMETRIC: "ij=ji",
    _ANY: "ij",
    _PIEZO: "ijk=ikj",
    _FULL: "ijk=jik=ikj",
    _ELASTIC: "ijkl=jikl=klij",
}

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
        _p(
            "non_conservative_forces",
            "eV/Å",
            "atom",
            _VECTOR,
            False,
            "forces predicted as such, not as a derivative",
            None,
            (3,),
        ),
        _p(
            "non_conservative_stress",
            "eV/Å³",
            "structure",
            _SYMMETRIC,
            False,
            "stress predicted as such, tension positive",
            None,
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
        _p("metal", "1", "structure", _SCALAR, False, "1 where there is no gap, else 0"),
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
        _p(
            "polarization",
            "e/Å²",
            "structure",
            _VECTOR,
            False,
            "electric polarization, modulo its quantum",
            None,
            (3,),
        ),
        _p(
            "dielectric",
            "1",
            "structure",
            _SYMMETRIC,
            False,
            "static relative permittivity, electrons and ions",
            None,
            (3, 3),
        ),
        _p(
            "dielectric_electronic",
            "1",
            "structure",
            _SYMMETRIC,
            False,
            "relative permittivity at clamped ions, ε∞",
            None,
            (3, 3),
        ),
        _p("refractive_index", "1", "structure", _SCALAR, False, "√(tr ε∞ / 3)"),
        _p(
            "piezoelectric",
            "e/Å²",
            "structure",
            _PIEZO,
            False,
            "e_ijk = ∂P_i/∂ε_jk, symmetric in jk",
            None,
            (3, 3, 3),
        ),
        _p("elastic", "eV/Å³", "structure", _ELASTIC, False, "C_ijkl = ∂σ_ij/∂ε_kl", None, (3, 3, 3, 3)),
        _p("bulk_modulus", "eV/Å³", "structure", _SCALAR, False, "isotropic bulk modulus"),
        _p("shear_modulus", "eV/Å³", "structure", _SCALAR, False, "isotropic shear modulus"),
        _p(
            "hyperpolarizability",
            "e³·Å³/eV²",
            "structure",
            _FULL,
            True,
            "β_ijk = −∂³E/∂F_i∂F_j∂F_k in a field F",
            None,
            (3, 3, 3),
        ),
        _p(
            "shielding",
            "ppm",
            "atom",
            _ANY,
            False,
            "NMR shielding tensor σ_ij: induced field −σ B",
            None,
            (3, 3),
        ),
        _p("isotropic_shielding", "ppm", "atom", _SCALAR, False, "a third of the shielding tensor's trace"),
        _p("total_magnetization", "μB", "structure", _SCALAR, True, "magnetic moment of the whole cell"),
        _p("exfoliation_energy", "eV/atom", "structure", _SCALAR, False, "energy to peel off one layer"),
        _p("velocities", "Å/fs", "atom", _VECTOR, False, "velocities of the atoms", None, (3,)),
        _p(
            "displacements",
            "Å",
            "atom",
            _VECTOR,
            False,
            "where the atom is later, or when relaxed, minus where it is",
            None,
            (3,),
        ),
        _p("fixed", "1", "atom", _SCALAR, False, "1 for atoms held in place in the calculation, else 0"),
        _p("tags", "1", "atom", _SCALAR, False, "0 below a surface, 1 at the surface, 2 adsorbate"),
        _p("coordination", "1", "atom", _SCALAR, False, "number of bonds of the atom"),
        _p("relaxed_energy", "eV", "structure", _SCALAR, True, "energy after relaxation from here"),
        _p("adsorption_energy", "eV", "structure", _SCALAR, False, "energy above slab plus free adsorbate"),
        _p(
            "relaxed_adsorption_energy",
            "eV",
            "structure",
            _SCALAR,
            False,
            "adsorption energy after relaxation from here",
        ),
        _p("barrier", "eV", "structure", _SCALAR, False, "transition state above reactant at 0 K"),
        _p(
            "reaction_part",
            "1",
            "atom",
            _SCALAR,
            False,
            "where both stand in one structure: 0 reactant, 1 transition state, 2 product",
        ),
        _p(
            "reaction_atom",
            "1",
            "atom",
            _SCALAR,
            False,
            "number of the atom, the same in all parts of a reaction",
        ),
        _p("reaction_role", "1", "structure", _SCALAR, False, "0 reactant, 1 transition state, 2 product"),
        _p("distortion", "1", "structure", _SCALAR, False, "place on a path, from 0 to 1"),
        _p("space_group", "1", "structure", _SCALAR, False, "number of the space group, 1 to 230"),
        _p("point_group", "1", "structure", _SCALAR, False, "number of the point group in the set's list"),
        _p("shape_class", "1", "structure", _SCALAR, False, "number of the shape in the set's list"),
        _p("prototype", "1", "structure", _SCALAR, False, "number of the structure type in the set's list"),
        _p("density", "g/cm³", "structure", _SCALAR, False, "mass over volume of the cell"),
        _p("volume_per_atom", "Å³", "structure", _SCALAR, False, "volume of the cell over its atoms"),
        _p("missing_atoms", "1", "atom", _SCALAR, False, "each atom's vote on where which atom is missing"),
        _p(
            "position_noise",
            "Å",
            "atom",
            _VECTOR,
            False,
            "noisy minus clean position, without what moves or turns the whole",
            None,
            (3,),
        ),
        _p(
            "scaled_position_noise",
            "1",
            "atom",
            _VECTOR,
            False,
            "position noise over the noise level of its structure",
            None,
            (3,),
        ),
        _p("noise_level", "Å", "structure", _SCALAR, False, "σ of the noise of positions; 0 without noise"),
        _p(
            "strain_noise",
            "1",
            "structure",
            _SYMMETRIC,
            False,
            "strain ε by which a clean crystal was deformed, x → x (1 + ε)",
            None,
            (3, 3),
        ),
        _p("masked_element", "1", "atom", _SCALAR, False, "atomic number of an atom whose element is hidden"),
        _p(
            "feature_decorrelation",
            "1",
            "structure",
            _SCALAR,
            False,
            "how far features of a batch are from varied and uncorrelated; needs no label",
        ),
    )
}


COPIES = {"non_conservative_forces": "forces", "non_conservative_stress": "stress"}
"""Properties that are learned as such, and of which the labels are those of a derivative of the energy."""


def property_named(name: str) -> Property | None:
    """Return the property of that name, or None if the vocabulary does not have it."""
    return PROPERTIES.get(name)


def free_property(
    name: str,
    per: Literal["atom", "structure"],
    unit: str = "",
    extensive: bool = False,
    shape: tuple[int, ...] = (),
    description: str = "column of the user's file",
) -> Property:
    """A property outside the vocabulary, as a user's own column in a file: numbers that do not turn."""
    irreps = Irreps(f"{max(1, prod(shape))}x{_SCALAR}")
    return Property(name, unit, per, irreps, extensive, None, shape, description)
