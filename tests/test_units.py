"""Units: constants, conversion of anything a reader meets, and errors that help."""

from __future__ import annotations

import ase.units
import numpy as np
import pytest
import scipy.constants
import torch

from atomscape import units
from atomscape.atoms.properties import PROPERTIES
from atomscape.units import conversion_factor, convert


@pytest.mark.parametrize(
    ("from_unit", "to_unit", "factor"),
    [
        ("Ha", "eV", units.HARTREE),
        ("meV", "eV", units.MEV),
        ("Ry", "Ha", 0.5),
        ("kcal/mol", "kJ/mol", 4.184),
        ("kcal/mol", "eV", units.KCAL_PER_MOL),
        ("kJ/mol", "eV", units.KJ_PER_MOL),
        ("cal/mol/K", "eV/K", units.CAL_PER_MOL_K),
        ("kJ/(mol·K)", "cal/mol/K", 1000 / 4.184),
        ("e·Å", "D", 4.803204712570263),
        ("e*Å", "D", 4.803204712570263),
        ("bohr", "Å", units.BOHR),
        ("a0^3", "Å^3", units.BOHR**3),
        ("a₀³", "Å³", units.BOHR**3),
        ("bohr**3", "Å^3", units.BOHR**3),
        ("GPa", "eV/Å³", units.GPA),
        ("kbar", "eV Å⁻³", units.KBAR),
        ("eV/Å³", "GPa", 160.2176634),
        ("Ha/bohr", "eV/Å", 51.42206751119799),
        ("fs", "ps", 1e-3),
        ("nm", "Å", 10.0),
        ("eV/atom", "meV/atom", 1000.0),
        ("J", "eV", 1 / 1.602176634e-19),
        ("amu*Å^2/fs^2", "eV", 103.64269667160806),
        ("1e-3 eV", "meV", 1.0),
        ("1/cm", "cm^-1", 1.0),
        ("V/Å", "eV/Å/e", 1.0),
        ("µB", "μB", 1.0),  # micro sign, Greek mu
        ("\u212b", "A\u030a", 1.0),  # ångström sign, A with a combining ring
        ("kB K", "meV", 0.08617333262145178),
        ("1", "1", 1.0),
    ],
)
def test_known_factors(from_unit, to_unit, factor):
    assert conversion_factor(from_unit, to_unit) == pytest.approx(factor, rel=1e-13)
    assert conversion_factor(to_unit, from_unit) == pytest.approx(1 / factor, rel=1e-13)


def test_the_same_unit_changes_nothing():
    assert all(conversion_factor(p.unit, p.unit) == 1.0 for p in PROPERTIES.values())


def test_arrays_and_tensors_keep_their_kind():
    array = convert(np.array([1.0, 2.0], dtype=np.float32), "eV", "meV")
    tensor = convert(torch.ones(2, dtype=torch.float32), "Ha", "eV")
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, [1000.0, 2000.0])
    assert tensor.dtype == torch.float32
    torch.testing.assert_close(tensor, torch.full((2,), units.HARTREE, dtype=torch.float32))


@pytest.mark.parametrize(
    ("unit", "words"),
    [
        ("ev", "did you mean 'eV'"),
        ("Kcal/mol", r"'Kcal' in 'Kcal/mol' is not known; did you mean 'kcal'"),
        ("mev", "'meV' or 'MeV'"),
        ("hartre", "did you mean 'hartree'"),
        ("kcal/mole", "did you mean 'mol'"),
        ("A", "ångström or ampere"),
        ("furlong", "did you mean|known are"),
        ("eV/", "where a unit should stand"),
        ("eV//Å", "where a unit should stand"),
        ("(eV", "not closed"),
        ("eV)", "cannot read"),
        ("2eV", "cannot read"),
        ("%", "cannot read"),
        ("", "is empty"),
    ],
)
def test_what_cannot_be_read_gets_a_hint(unit, words):
    with pytest.raises(ValueError, match=words):
        convert(1.0, unit, "eV")


def test_different_quantities_do_not_convert():
    with pytest.raises(ValueError, match="first measures energy, the second length"):
        convert(1.0, "eV", "Å")
    with pytest.raises(ValueError, match="number of atoms"):
        convert(1.0, "eV", "eV/atom")


@pytest.mark.parametrize(
    ("constant", "unit", "in_unit"),
    [
        ("Hartree energy in eV", "Ha", "eV"),
        ("Rydberg constant times hc in eV", "Ry", "eV"),
        ("Bohr radius", "bohr", "m"),
        ("atomic mass constant", "u", "kg"),
        ("electron mass", "me", "kg"),
        ("Bohr magneton in eV/T", "μB", "eV/T"),
        ("Boltzmann constant in eV/K", "kB", "eV/K"),
        ("elementary charge", "e", "C"),
        ("atomic unit of electric dipole mom.", "e a0", "C m"),
        ("atomic unit of force", "Ha/bohr", "N"),
    ],
)
def test_constants_are_codata_2022(constant, unit, in_unit):
    value = scipy.constants.value(constant)
    assert conversion_factor(unit, in_unit) == pytest.approx(value, rel=3e-9)


@pytest.mark.parametrize(("codata", "tolerance"), [("2022", 1e-12), ("2018", 3e-9), ("2014", 4e-7)])
def test_against_ase(codata, tolerance):
    """ASE's default is CODATA 2014, from before e, k and N_A were fixed: k_B differs by 3.4e-7."""
    theirs = ase.units.create_units(codata)
    expected = {name: theirs[name] for name in ("Hartree", "Rydberg", "Bohr", "Debye", "GPa", "kB", "C")}
    expected |= {unit: theirs[unit.split("/")[0]] / theirs["mol"] for unit in ("kcal/mol", "kJ/mol")}
    expected["u Å²/eV"] = theirs["fs"] ** -2  # ASE's unit of time is Å √(u/eV), ours fs
    for unit, size in expected.items():
        assert units.parse(unit)[0] == pytest.approx(size, rel=tolerance), unit


@pytest.mark.parametrize("unit", ["Å2", "eV/Ang3", "kcal/mol2"])
def test_a_digit_behind_a_unit_is_neither_power_nor_factor(unit):
    with pytest.raises(ValueError, match="cannot read the unit"):
        units.parse(unit)
