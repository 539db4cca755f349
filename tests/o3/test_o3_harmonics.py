"""Harmonics: addition theorem, polynomials, derivatives of every order, the origin, number types."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from atomscape.o3.harmonics import solid_gradient_matrix, solid_harmonics, spherical_harmonics

L = 12
BOTH = pytest.mark.parametrize("harmonics", [solid_harmonics, spherical_harmonics])


def vectors(generator, n=50):
    return torch.randn(n, 3, generator=generator, dtype=torch.float64)


def jacobian(harmonics, r, l_max):
    return torch.func.vmap(torch.func.jacrev(lambda r: harmonics(r, l_max)))(r)


def test_first_degrees_as_written_in_the_conventions(generator):
    r = vectors(generator)
    x, y, z = (r / r.norm(dim=-1, keepdim=True)).unbind(-1)
    s3, s5, s15 = 3**0.5, 5**0.5, 15**0.5
    expected = [
        torch.ones_like(x), s3 * y, s3 * z, s3 * x,
        s15 * x * y, s15 * y * z, s5 / 2 * (3 * z * z - 1), s15 * x * z, s15 / 2 * (x * x - y * y),
    ]  # fmt: skip
    torch.testing.assert_close(spherical_harmonics(r, 2), torch.stack(expected, -1), rtol=0, atol=1e-14)


def test_addition_theorem(generator):
    """Σ_m Y_lm(a) Y_lm(b) = (2l+1) P_l(a·b): the component norm is its value at a = b."""
    a, b = vectors(generator), vectors(generator)
    cosine = torch.nn.functional.cosine_similarity(a, b)
    Ya, Yb = spherical_harmonics(a, L), spherical_harmonics(b, L)
    older, legendre = torch.ones_like(cosine), cosine
    for l in range(1, L + 1):
        part = slice(l * l, (l + 1) ** 2)
        torch.testing.assert_close((Ya * Yb)[:, part].sum(-1), (2 * l + 1) * legendre, rtol=0, atol=1e-12)
        torch.testing.assert_close(
            (Ya * Ya)[:, part].sum(-1), torch.full_like(cosine, 2 * l + 1), rtol=1e-13, atol=0
        )
        older, legendre = legendre, ((2 * l + 1) * cosine * legendre - l * older) / (l + 1)


def test_solid_is_the_power_of_the_length_times_spherical(generator):
    r = vectors(generator)
    powers = torch.cat([r.norm(dim=-1, keepdim=True) ** l * torch.ones(2 * l + 1) for l in range(L + 1)], -1)
    torch.testing.assert_close(
        solid_harmonics(r, L), powers * spherical_harmonics(r, L), rtol=1e-11, atol=1e-11
    )


def test_spherical_does_not_depend_on_the_length(generator):
    r = vectors(generator)
    for scale in (1e-12, 1e-3, 1e12):
        torch.testing.assert_close(
            spherical_harmonics(scale * r, L), spherical_harmonics(r, L), rtol=0, atol=1e-12
        )


def test_inversion_gives_the_natural_parity(generator):
    r = vectors(generator)
    signs = torch.cat([torch.full((2 * l + 1,), (-1.0) ** l, dtype=torch.float64) for l in range(L + 1)])
    assert torch.equal(solid_harmonics(-r, L), signs * solid_harmonics(r, L))
    assert torch.equal(spherical_harmonics(-r, L), signs * spherical_harmonics(r, L))


def test_solid_harmonics_are_harmonic():
    r = torch.tensor([0.3, -0.8, 0.5], dtype=torch.float64)
    hessian = torch.func.jacrev(torch.func.jacrev(lambda r: solid_harmonics(r, 6)))(r)
    laplacian = hessian.diagonal(dim1=-2, dim2=-1).sum(-1)
    torch.testing.assert_close(laplacian, torch.zeros(49, dtype=torch.float64), rtol=0, atol=1e-12)


@pytest.mark.parametrize("l", range(1, L + 1))
def test_gradient_is_a_constant_matrix_times_one_degree_less(l, generator):
    r = vectors(generator, 5)
    gradient = jacobian(solid_harmonics, r, l)[:, l * l :]
    lower = solid_harmonics(r, l - 1)[:, (l - 1) ** 2 :]
    product = torch.einsum("cmn,en->emc", solid_gradient_matrix(l), lower)
    torch.testing.assert_close(product, gradient, rtol=0, atol=1e-12 * gradient.abs().max().item())


def test_gradient_matrix_is_sparse():
    assert all((solid_gradient_matrix(l) != 0).sum() <= 6 * (2 * l - 1) for l in range(1, L + 1))
    with pytest.raises(ValueError, match="no lower degree"):
        solid_gradient_matrix(0)


@BOTH
@pytest.mark.parametrize("l_max", [1, 2, 3, 5])
def test_first_and_second_derivatives(harmonics, l_max, generator):
    r = vectors(generator, 3).requires_grad_()
    assert gradcheck(lambda r: harmonics(r, l_max), r)
    assert gradgradcheck(lambda r: harmonics(r, l_max), r)


def test_derivatives_along_the_radius_at_twelve(generator):
    """Euler: r·∇S = l S for solid harmonics; spherical ones do not change along r."""
    r = vectors(generator, 20)
    degrees = torch.cat([torch.full((2 * l + 1,), float(l), dtype=torch.float64) for l in range(L + 1)])
    solid = solid_harmonics(r, L)
    along = torch.einsum("emc,ec->em", jacobian(solid_harmonics, r, L), r)
    torch.testing.assert_close(along, degrees * solid, rtol=1e-11, atol=1e-11)
    along = torch.einsum("emc,ec->em", jacobian(spherical_harmonics, r, L), r)
    torch.testing.assert_close(along, torch.zeros_like(along), rtol=0, atol=1e-11)


@BOTH
def test_cotangents_other_than_ones_and_not_contiguous(harmonics, generator):
    r = vectors(generator, 7).requires_grad_()
    Y = harmonics(r, 3)
    cotangent = torch.randn(16, 14, generator=generator, dtype=torch.float64).T[::2]
    (strided,) = torch.autograd.grad(Y, r, cotangent, retain_graph=True)
    (dense,) = torch.autograd.grad(Y, r, cotangent.contiguous(), retain_graph=True)
    (expanded,) = torch.autograd.grad(Y.sum(), r)
    J = jacobian(harmonics, r.detach(), 3)
    assert torch.equal(strided, dense)
    torch.testing.assert_close(dense, torch.einsum("em,emc->ec", cotangent, J), rtol=0, atol=1e-12)
    torch.testing.assert_close(expanded, J.sum(1), rtol=0, atol=1e-12)


def test_solid_is_smooth_at_the_origin():
    r = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    S = solid_harmonics(r, 4)
    assert torch.equal(S.detach()[0], torch.eye(25, dtype=torch.float64)[0])
    J = jacobian(solid_harmonics, r.detach(), 4)[0]
    torch.testing.assert_close(J[1:4], 3**0.5 * torch.eye(3, dtype=torch.float64)[[1, 2, 0]])
    assert J[4:].abs().max() == 0
    assert gradgradcheck(lambda r: solid_harmonics(r, 4), r)


def test_the_zero_vector_has_no_direction_and_no_derivative():
    r = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    Y = spherical_harmonics(r, 4)
    assert torch.equal(Y.detach()[0], torch.eye(25, dtype=torch.float64)[0])
    (first,) = torch.autograd.grad(Y.square().sum() + Y.sum(), r, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), r)
    assert torch.equal(first.detach(), torch.zeros_like(r))
    assert torch.equal(second, torch.zeros_like(r))


@BOTH
def test_single_precision_is_the_rounded_result(harmonics, generator):
    r = vectors(generator)
    single = harmonics(r.float(), 6)
    assert single.dtype == torch.float32
    exact = harmonics(r, 6)
    for l in range(7):
        part = slice(l * l, (l + 1) ** 2)
        error = (single.double() - exact)[:, part].norm(dim=-1) / exact[:, part].norm(dim=-1)
        assert error.max() < 2e-6


@BOTH
def test_batch_shapes(harmonics):
    assert harmonics(torch.ones(3), 2).shape == (9,)
    assert harmonics(torch.ones(0, 3), 2).shape == (0, 9)
    assert harmonics(torch.ones(2, 5, 3), 0).shape == (2, 5, 1)
    with pytest.raises(ValueError, match="l_max is -1"):
        harmonics(torch.ones(1, 3), -1)


def test_compiled_is_eager():
    """In a process of its own: the shape checks of the tests cannot be compiled."""
    script = """
import warnings; warnings.simplefilter("error")
import torch
from atomscape.o3.harmonics import solid_harmonics, spherical_harmonics
r = torch.randn(9, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
for harmonics in (solid_harmonics, spherical_harmonics):
    compiled = torch.compile(harmonics, backend="aot_eager", fullgraph=True)
    results = [f(r, 4) for f in (harmonics, compiled)]
    gradients = [torch.autograd.grad(y.square().sum() + y.sum(), r)[0] for y in results]
    torch.testing.assert_close(*results, rtol=0, atol=1e-13)
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-12)
print("agree")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "agree", done.stderr
