"""e3nn, sphericart and scipy as oracles: what is the same, and how conventions are related."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from math import pi, sqrt

import numpy as np
import pytest
import scipy.special
import sphericart
import torch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from e3nn import o3

from atomscape.o3 import rotation
from atomscape.o3.cartesian import cartesian_tensor
from atomscape.o3.clebsch_gordan import clebsch_gordan, triangles
from atomscape.o3.harmonics import solid_harmonics, spherical_harmonics
from atomscape.o3.irreps import Irrep, Irreps
from atomscape.o3.wigner import irreps_D, wigner_D

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning", "ignore::FutureWarning")

L = 12
# e3nn's polar axis is y: its (x, y, z) are our (y, z, x).
YZX = [1, 2, 0]


@pytest.fixture
def r(generator):
    return torch.randn(200, 3, generator=generator, dtype=torch.float64)


def e3nn_frame(R):
    """The same rotation in e3nn's naming of the axes."""
    return R[..., YZX, :][..., YZX]


@contextmanager
def double():
    """e3nn makes its generators of rotations in the default dtype and is exact only if that is float64."""
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def close(a, b, atol=1e-12):
    torch.testing.assert_close(a, b, rtol=0, atol=atol)


def test_harmonics_are_e3nns_after_renaming_the_axes(r):
    degrees = list(range(L))  # e3nn stops at 11
    theirs = o3.spherical_harmonics(degrees, r[:, YZX], normalize=True, normalization="component")
    close(spherical_harmonics(r, L - 1), theirs)
    small = r / 2
    theirs = o3.spherical_harmonics(degrees, small[:, YZX], normalize=False, normalization="component")
    close(solid_harmonics(small, L - 1), theirs, atol=1e-11)


def test_harmonics_are_sphericarts_times_the_component_norm(r):
    theirs = sphericart.SphericalHarmonics(L).compute(r.numpy()) * sqrt(4 * pi)
    close(spherical_harmonics(r, L), torch.from_numpy(theirs))
    direction = r / r.norm(dim=-1, keepdim=True)
    theirs = sphericart.SolidHarmonics(L).compute(direction.numpy()) * sqrt(4 * pi)
    close(solid_harmonics(direction, L), torch.from_numpy(theirs))


def test_derivatives_are_sphericarts(r):
    _, gradient, hessian = sphericart.SolidHarmonics(8).compute_with_hessians(r[:10].numpy())
    ours = torch.func.vmap(torch.func.jacrev(lambda r: solid_harmonics(r, 8)))(r[:10])
    theirs = torch.from_numpy(gradient).movedim(1, -1) * sqrt(4 * pi)
    torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-11)
    ours = torch.func.vmap(torch.func.jacrev(torch.func.jacrev(lambda r: solid_harmonics(r, 8))))(r[:10])
    theirs = torch.from_numpy(hessian).movedim(-1, 1) * sqrt(4 * pi)
    torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-10)


def test_harmonics_are_scipys_complex_ones_in_the_real_basis(r):
    """Y_m = √2 (−1)^m Re Y^m for m > 0, √2 (−1)^m Im Y^|m| for m < 0; scipy has the Condon–Shortley phase."""
    x, y, z = r.numpy().T
    theta, phi = np.arctan2(np.hypot(x, y), z), np.arctan2(y, x)
    ours = spherical_harmonics(r, L).numpy()
    for l in range(L + 1):
        for m in range(-l, l + 1):
            complex_one = scipy.special.sph_harm_y(l, abs(m), theta, phi) * sqrt(4 * pi)
            part = complex_one.real if m >= 0 else complex_one.imag
            factor = 1 if m == 0 else sqrt(2) * (-1) ** m
            np.testing.assert_allclose(ours[:, l * l + l + m], factor * part, rtol=0, atol=1e-12)


def test_three_j_symbols_are_e3nns_element_by_element():
    for l1, l2, l3 in triangles(6):
        theirs = o3.wigner_3j(l1, l2, l3, dtype=torch.float64)
        close(clebsch_gordan(l1, l2, l3) / sqrt(2 * l3 + 1), theirs, atol=2e-14)


@pytest.mark.parametrize("l", [0, 1, 2, 5, 11])
def test_wigner_D_is_e3nns(l, generator):
    R = rotation.random_rotation(5, generator)
    with double():
        theirs = o3.wigner_D(l, *rotation.euler_from_matrix(R))  # y-x-y in e3nn's names of the axes
    close(wigner_D(l, R), theirs)


def test_irreps_matrix_is_e3nns(generator):
    text = "2x0e+0o+1o+2x1e+2e+3o"
    R = rotation.random_rotation(3, generator)
    both = torch.cat([R, -R])
    with double():
        theirs = o3.Irreps(text).D_from_matrix(e3nn_frame(both))
    close(irreps_D(text, both), theirs)


def test_irreps_read_print_and_multiply_as_e3nns():
    for text in ("16x0e+8x1o", "0e+2e", "3x2o+0o+1y+2y", "5x0e + 2x0e+1o", ""):
        ours, theirs = Irreps(text), o3.Irreps(text)
        assert str(ours) == str(theirs)
        assert (ours.dim, ours.num_irreps) == (theirs.dim, theirs.num_irreps)
        assert str(ours.simplify()) == str(theirs.simplify())
        assert str(ours.sort().simplify()) == str(theirs.sort().irreps.simplify())
        assert [s.start for s in ours.slices()] == [s.start for s in theirs.slices()]
        assert str(Irreps(str(theirs))) == str(theirs)
    for a, b in (("1o", "2e"), ("3e", "1o")):
        assert [str(ir) for ir in Irrep(a) * Irrep(b)] == [str(ir) for ir in o3.Irrep(a) * o3.Irrep(b)]
    product = o3.FullTensorProduct("2x0e+1o", "1o+2e").irreps_out.simplify()
    assert str(Irreps("2x0e+1o").product("1o+2e")) == str(product)


def test_quaternions_and_axis_angle_are_e3nns(generator):
    R = rotation.random_rotation(20, generator)
    q = rotation.quaternion_from_matrix(R)
    close(o3.quaternion_to_matrix(q), R)
    axis, angle = rotation.axis_angle_from_matrix(R)
    close(o3.axis_angle_to_matrix(axis, angle), R)


@pytest.mark.parametrize("symmetry", ["ij", "ij=ji", "ij=-ji", "ijk=jik=ikj"])
def test_cartesian_components_are_those_of_e3nn_up_to_sign_per_irrep(symmetry, generator):
    """Where every irrep occurs once the basis is fixed up to its sign."""
    from e3nn.io import CartesianTensor

    with double():
        theirs, ours = CartesianTensor(symmetry), cartesian_tensor(symmetry)
        assert Irreps(str(theirs)) == ours.irreps
        reference = theirs.to_cartesian(torch.eye(ours.irreps.dim))
    for axis in range(1, ours.rank + 1):
        reference = reference.index_select(axis, torch.tensor([2, 0, 1]))  # their (x, y, z) are our (y, z, x)
    for part in ours.irreps.slices():
        sign = (ours.basis[part] * reference[part]).sum().sign()
        close(ours.basis[part], sign * reference[part])
