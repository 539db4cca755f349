"""Radial bases and cutoffs: values, smoothness at the cutoff, behaviour at zero."""

import numpy as np
import pytest
import torch
from scipy.special import spherical_jn

from atomscape.ops.radial import (
    BASES,
    bessel_basis,
    cosine_cutoff,
    gaussian_basis,
    lengths,
    logarithmic_basis,
    polynomial_cutoff,
)

C = 4.0


def derivatives(f, r, order):
    r = torch.tensor([r], dtype=torch.float64, requires_grad=True)
    y = f(r)
    out = [y.item()]
    for _ in range(order):
        (y,) = torch.autograd.grad(y.sum(), r, create_graph=True)
        out.append(y.item())
    return out


def test_bessel_is_the_spherical_bessel_function():
    r = torch.linspace(0.05, C, 50, dtype=torch.float64)
    n = np.arange(1, 7)
    expected = np.sqrt(2 / C) * (n * np.pi / C) * spherical_jn(0, n * np.pi / C * r.numpy()[:, None])
    np.testing.assert_allclose(bessel_basis(r, C, 6), expected, atol=1e-13)


def test_bessel_functions_are_orthonormal():
    x, weight = np.polynomial.legendre.leggauss(60)
    r = torch.tensor((x + 1) * C / 2)
    b = bessel_basis(r, C, 6) * r.unsqueeze(-1)
    overlap = (b * torch.tensor(weight * C / 2).unsqueeze(-1)).T @ b
    torch.testing.assert_close(overlap, torch.eye(6, dtype=torch.float64), atol=1e-12, rtol=0)


def test_bessel_at_zero_is_finite():
    assert torch.isfinite(bessel_basis(torch.zeros(1), C, 4)).all()


@pytest.mark.parametrize("at", [C - 1e-9, C + 1e-9])
def test_polynomial_cutoff_ends_with_two_derivatives(at):
    value, first, second = derivatives(lambda r: polynomial_cutoff(r, C), at, 2)
    assert abs(value) < 1e-12
    assert abs(first) < 1e-12
    assert abs(second) < 1e-6


def test_cutoffs_start_at_one_and_stay_zero():
    r = torch.tensor([0.0, C, 2 * C], dtype=torch.float64)
    torch.testing.assert_close(polynomial_cutoff(r, C), torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64))
    torch.testing.assert_close(cosine_cutoff(r, C), torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64))


def test_gaussians_peak_at_their_centres():
    centres = torch.linspace(0, C, 5, dtype=torch.float64)
    torch.testing.assert_close(gaussian_basis(centres, C, 5).diagonal(), torch.ones(5, dtype=torch.float64))
    far = gaussian_basis(torch.linspace(0, C, 500), C, 64)
    assert bool(((far == 0) | (far > 1e-20)).all()), "small numbers that are slow to multiply"
    assert float(far[far > 0].min()) < 1e-16


def test_lengths_of_a_zero_vector_have_no_gradient():
    v = torch.tensor([[0.0, 0.0, 0.0], [3.0, 0.0, 4.0]], dtype=torch.float64, requires_grad=True)
    r = lengths(v)
    (g,) = torch.autograd.grad(r.sum(), v)
    torch.testing.assert_close(r, torch.tensor([0.0, 5.0], dtype=torch.float64))
    torch.testing.assert_close(g, torch.tensor([[0.0, 0.0, 0.0], [0.6, 0.0, 0.8]], dtype=torch.float64))


def test_logarithmic_functions_hold_powers_of_r():
    """1/r³ to r² over a decade and a half, by least squares, to a thousandth of each value."""
    r = torch.linspace(0.3, 7.0, 500, dtype=torch.float64)
    B = logarithmic_basis(r, 10.0, 32)
    for power in (-3, -2, -1, 0, 1, 2):
        exact = r**power
        w = torch.linalg.lstsq(B / exact[:, None], torch.ones(500, 1).double(), driver="gelsd").solution
        assert float(((B @ w)[:, 0] / exact - 1).abs().max()) < 1e-3


@pytest.mark.parametrize("name", BASES)
def test_bases_end_at_the_cutoff_and_are_smooth(name):
    """Value and slope: finite at zero, continuous at the cutoff, right in between."""
    r = torch.tensor([0.0, 1e-9, 0.5, 2.0, 4.999999, 5.0, 6.0], dtype=torch.float64, requires_grad=True)
    values = BASES[name](r, 5.0, 6)
    (slope,) = torch.autograd.grad(values.sum(), r)
    assert values.shape == (7, 6)
    assert values.isfinite().all()
    assert slope.isfinite().all()
    assert values[5:].abs().max() == 0
    assert slope[4:].abs().max() < 1e-4
    assert torch.autograd.gradcheck(lambda x: BASES[name](x, 5.0, 6), r[2:4].detach().requires_grad_())
