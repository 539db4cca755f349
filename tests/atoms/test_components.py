"""Values and components: both ways, for every property of the vocabulary, and how components turn."""

from __future__ import annotations

import pytest
import torch

from atomscape.atoms.components import from_components, isotropic, to_components
from atomscape.atoms.properties import PROPERTIES, Property, free_property
from atomscape.o3.irreps import Irreps
from atomscape.o3.rotation import random_rotation
from atomscape.o3.wigner import wigner_D
from atomscape.testing.compare import turned_value


def random_components(p: Property, rows: int = 4):
    return torch.randn(rows, p.irreps.dim, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("name", PROPERTIES)
def test_there_and_back(name):
    p = PROPERTIES[name]
    x = random_components(p)
    values = from_components(p, x)
    assert values.shape == (4, *p.shape)
    torch.testing.assert_close(to_components(p, values), x)
    torch.testing.assert_close(values.square().sum(), x.square().sum())


@pytest.mark.parametrize("name", [n for n, p in PROPERTIES.items() if p.shape])
@pytest.mark.parametrize("sign", [1, -1])
def test_components_turn_as_the_irreps_say(name, sign):
    p = PROPERTIES[name]
    R = random_rotation(1, generator=torch.Generator().manual_seed(0))[0]
    x = random_components(p)
    found = to_components(p, turned_value(from_components(p, x), p, sign * R))
    parts = []
    for (n, ir), place in zip(p.irreps, p.irreps.slices(), strict=True):
        block = x[:, place].unflatten(1, (n, ir.dim))
        turned = torch.einsum("mk,ank->anm", wigner_D(ir.l, R), block)
        parts.append(turned.flatten(1) * (ir.p if sign < 0 else 1))
    torch.testing.assert_close(found, torch.cat(parts, 1))


def test_pseudotensors_have_the_same_components():
    """A magnetic moment is written x, y, z as a vector is."""
    moment = Property("moment", "μB", "atom", Irreps("1e"), False, None, (3,))
    xyz = torch.tensor([[1.0, 2.0, 3.0]])
    torch.testing.assert_close(to_components(moment, xyz), torch.tensor([[2.0, 3.0, 1.0]]))


def test_numbers_that_do_not_turn_stay():
    p = free_property("q", "atom", shape=(2, 2))
    values = torch.arange(8.0).reshape(2, 2, 2)
    torch.testing.assert_close(from_components(p, to_components(p, values)), values)
    assert isotropic(p) == (0, 1, 2, 3)


def test_where_isotropic_parts_lie():
    assert isotropic(PROPERTIES["dielectric"]) == (0,)
    assert isotropic(PROPERTIES["elastic"]) == (0, 1)
    assert isotropic(PROPERTIES["dipole"]) == ()
    assert isotropic(PROPERTIES["gap"]) == (0,)
    assert isotropic(Property("g", "1", "structure", Irreps("0o"), False)) == ()


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"dipole has values of shape \(3,\) each; given \(2, 4\)"):
        to_components(PROPERTIES["dipole"], torch.zeros(2, 4))
    with pytest.raises(ValueError, match="stress has 6 components"):
        from_components(PROPERTIES["stress"], torch.zeros(2, 9))
