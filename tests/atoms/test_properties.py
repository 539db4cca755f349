"""The vocabulary agrees with itself."""

from __future__ import annotations

from math import prod

import pytest

from atomscape.atoms.properties import PROPERTIES, free_property, property_named
from atomscape.o3.cartesian import cartesian_tensor
from atomscape.units import parse


@pytest.mark.parametrize("p", PROPERTIES.values(), ids=lambda p: p.name)
def test_every_property_is_consistent(p):
    """The unit can be read, the content fits the Cartesian shape, and the parity is that of its rank."""
    parse(p.unit)
    assert property_named(p.name) is p
    if p.symmetry:
        assert p.irreps == cartesian_tensor(p.symmetry).irreps
        assert len(p.shape) == cartesian_tensor(p.symmetry).rank
    else:
        assert len(p.shape) < 2
        assert p.irreps.dim == prod(p.shape)
    assert all(ir.p == (-1) ** len(p.shape) for _, ir in p.irreps)
    assert p.derivative_of is None or p.derivative_of in PROPERTIES
    assert p.description


def test_stress_of_energy_and_length():
    energy, length = parse("eV")[0], parse("Å")[0]
    assert parse(PROPERTIES["stress"].unit)[0] == energy / length**3
    assert PROPERTIES["forces"].derivative_of == PROPERTIES["stress"].derivative_of == "energy"


def test_free_properties():
    p = free_property("sites", "atom", "e", shape=(2,))
    assert (p.name, p.per, p.unit, p.shape, p.irreps.dim) == ("sites", "atom", "e", (2,), 2)
    assert property_named("sites") is None
