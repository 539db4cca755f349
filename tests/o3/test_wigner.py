"""Wigner D: equivariance of the harmonics, homomorphism, improper rotations, parities, derivatives."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from atomscape.o3.harmonics import solid_harmonics, spherical_harmonics
from atomscape.o3.irreps import Irreps
from atomscape.o3.rotation import matrix_from_axis_angle, random_rotation
from atomscape.o3.wigner import irreps_D, rotate, wigner_D, wigner_D_all

L = 12
DEGREES = pytest.mark.parametrize("l", [0, 1, 2, 3, 5, 8, L])


@pytest.fixture
def R(generator):
    """Rotations and rotation-reflections."""
    proper = random_rotation(6, generator)
    return torch.cat([proper, -proper])


def close(a, b):
    torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


@DEGREES
def test_harmonics_turn_with_D(l, R, generator):
    r = torch.randn(20, 3, generator=generator, dtype=torch.float64)
    part = slice(l * l, (l + 1) ** 2)
    turned = spherical_harmonics(r @ R.mT, l)[..., part]
    close(turned, spherical_harmonics(r, l)[:, part] @ wigner_D(l, R).mT)


@DEGREES
def test_homomorphism_and_orthogonality(l, R):
    D = wigner_D(l, R)
    close(wigner_D(l, R @ R.flip(0)), D @ D.flip(0))
    close(D @ D.mT, torch.eye(2 * l + 1, dtype=torch.float64).expand_as(D))
    close(wigner_D(l, R.mT), D.mT)


@DEGREES
def test_identity_and_inversion(l):
    one = torch.eye(3, dtype=torch.float64)
    close(wigner_D(l, one), torch.eye(2 * l + 1, dtype=torch.float64))
    close(wigner_D(l, -one), (-1) ** l * torch.eye(2 * l + 1, dtype=torch.float64))


@DEGREES
def test_character(l, generator):
    """Trace of D_l = sin((l + ½)φ)/sin(φ/2), whatever the axis."""
    axis = torch.randn(5, 3, generator=generator, dtype=torch.float64)
    angle = torch.tensor([0.1, 0.7, 1.9, 2.6, 3.1], dtype=torch.float64)
    trace = wigner_D(l, matrix_from_axis_angle(axis, angle)).diagonal(dim1=-2, dim2=-1).sum(-1)
    close(trace, ((l + 0.5) * angle).sin() / (angle / 2).sin())


def test_turn_about_the_polar_axis_mixes_m_and_minus_m():
    phi = torch.tensor(0.4, dtype=torch.float64)
    D = wigner_D(3, matrix_from_axis_angle(torch.tensor([0, 0, 1.0], dtype=torch.float64), phi))
    expected = torch.zeros(7, 7, dtype=torch.float64)
    for m in range(-3, 4):
        expected[3 + m, 3 + m] = (m * phi).cos()
        expected[3 + m, 3 - m] += 0 if m == 0 else (-(m * phi).sin() if m > 0 else (-m * phi).sin())
    close(D, expected)


def test_all_degrees_at_once(R):
    every = wigner_D_all(4, R)
    assert [D.shape[-1] for D in every] == [1, 3, 5, 7, 9]
    assert all(torch.equal(D, wigner_D(l, R)) for l, D in enumerate(every))


def test_parity_decides_what_a_reflection_does(generator):
    R = -random_rotation(1, generator)[0]
    close(irreps_D("1o", R), wigner_D(1, R))
    close(irreps_D("1e", R), -wigner_D(1, R))
    close(irreps_D("0o", R), torch.tensor([[-1.0]], dtype=torch.float64))
    close(irreps_D("0e", R), torch.tensor([[1.0]], dtype=torch.float64))
    close(irreps_D("2o", R), -wigner_D(2, R))


def test_cross_product_is_an_axial_vector(generator):
    R = -random_rotation(1, generator)[0]
    a, b = torch.randn(2, 3, generator=generator, dtype=torch.float64)
    yzx = [1, 2, 0]
    close(torch.linalg.cross(R @ a, R @ b)[yzx], irreps_D("1e", R) @ torch.linalg.cross(a, b)[yzx])


def test_irreps_matrix_is_a_homomorphism_and_agrees_with_rotate(R, generator):
    irreps = Irreps("2x0e+0o+3x1o+1e+2x2e+3o")
    D = irreps_D(irreps, R)
    close(irreps_D(irreps, R @ R.flip(0)), D @ D.flip(0))
    x = torch.randn(4, 5, irreps.dim, generator=generator, dtype=torch.float64)
    for one, turn in zip(D, R, strict=True):
        close(rotate(x, irreps, turn), x @ one.mT)


def test_empty_irreps(R):
    assert irreps_D("", R).shape == (12, 0, 0)
    assert rotate(torch.zeros(3, 0), "", R[0]).shape == (3, 0)


@pytest.mark.parametrize("l", [1, 2, 4])
def test_derivatives(l, generator):
    R = random_rotation(2, generator).requires_grad_()
    assert gradcheck(lambda R: wigner_D(l, R), R)
    assert gradgradcheck(lambda R: wigner_D(l, R), R)


def test_derivative_is_the_angular_momentum(generator):
    """d/dφ of a turn about z at φ = 0 takes Y_m to −m Y_{−m}: solid harmonics and D agree on it."""
    r = torch.randn(5, 3, generator=generator, dtype=torch.float64)
    z = torch.tensor([0, 0, 1.0], dtype=torch.float64)

    def turn(phi):
        return matrix_from_axis_angle(z, phi)

    zero = torch.zeros((), dtype=torch.float64)
    dD = torch.func.jacrev(lambda phi: wigner_D(3, turn(phi)))(zero)
    dS = torch.func.jacrev(lambda phi: solid_harmonics(r @ turn(phi).mT, 3)[:, 9:])(zero)
    close(dS, solid_harmonics(r, 3)[:, 9:] @ dD.mT)


def test_wrong_arguments_are_refused(R):
    with pytest.raises(ValueError, match="degree -1"):
        wigner_D(-1, R)
    with pytest.raises(ValueError, match="dimension 3"):
        rotate(torch.zeros(2, 4), "1o", R[0])
