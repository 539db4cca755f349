"""All symmetry elements of molecules whose point groups are known are found, in any frame."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import molecule

from atomscape.atoms.point_symmetry import symmetry_elements


@pytest.mark.parametrize(
    ("name", "order"),
    [("CH4", 24), ("NH3", 6), ("C2H6", 12), ("CH3Cl", 6), ("CH3OH", 2), ("SiH4", 24), ("isobutane", 6)],
)  # fmt: skip
def test_order_of_known_molecules(name, order, rng) -> None:
    atoms = molecule(name)
    turned = atoms.positions @ np.linalg.qr(rng.normal(size=(3, 3)))[0] + rng.normal(size=3)
    found = symmetry_elements(turned, atoms.numbers, tolerance=2e-3)
    assert len(found) == order
    np.testing.assert_allclose(np.abs(np.linalg.det(found)), 1.0, atol=1e-2)


def test_one_atom_of_another_kind_breaks_the_symmetry() -> None:
    atoms = molecule("CH4")
    atoms.numbers[1] = 17
    assert len(symmetry_elements(atoms.positions, atoms.numbers, tolerance=2e-3)) == 6


def test_planar_molecules_are_refused() -> None:
    atoms = molecule("H2O")
    with pytest.raises(ValueError, match="in one plane"):
        symmetry_elements(atoms.positions, atoms.numbers)
