"""Cubic Hermite tables: values and slopes at knots, the error bound, smoothness, beyond the cutoff."""

from __future__ import annotations

import pytest
import torch

from atomscape.ops.radial_table import hermite_rows, hermite_table

CUTOFF = 4.0


def table(f, intervals):
    """Table of one function, its slopes by autograd."""
    r = torch.linspace(0, CUTOFF, intervals + 1, dtype=torch.float64, requires_grad=True)
    values = f(r)
    (slopes,) = torch.autograd.grad(values.sum(), r)
    return hermite_table(values.detach().unsqueeze(1), slopes.unsqueeze(1), CUTOFF)


def interpolated(rows, r, intervals):
    h, start = hermite_rows(r, CUTOFF, intervals)
    return (h * rows[start.unsqueeze(1) + torch.arange(4), 0]).sum(1)


def slope(rows, r, intervals):
    r = r.clone().requires_grad_()
    return torch.autograd.grad(interpolated(rows, r, intervals).sum(), r)[0]


def test_values_and_slopes_at_the_knots():
    rows = table(torch.sin, 8)
    knots = torch.linspace(0, CUTOFF, 9, dtype=torch.float64)
    inside = knots[:-1]
    torch.testing.assert_close(interpolated(rows, inside, 8), inside.sin(), rtol=0, atol=1e-14)
    torch.testing.assert_close(slope(rows, inside, 8), inside.cos(), rtol=0, atol=1e-13)


def test_cubic_functions_are_exact():
    def f(r):
        return 0.3 * r**3 - r**2 + 2 * r - 1

    r = torch.linspace(0, CUTOFF, 101, dtype=torch.float64)[:-1]
    torch.testing.assert_close(interpolated(table(f, 3), r, 3), f(r), rtol=0, atol=1e-13)


@pytest.mark.parametrize("intervals", [4, 16, 64])
def test_error_is_within_the_bound(intervals):
    """s⁴ max|f⁗| / 384 with f = sin 3r, and close to it: the order is the fourth."""
    r = torch.linspace(0, CUTOFF, 5001, dtype=torch.float64)[:-1]
    error = (
        (interpolated(table(lambda r: torch.sin(3 * r), intervals), r, intervals) - (3 * r).sin()).abs().max()
    )
    bound = (CUTOFF / intervals) ** 4 * 81 / 384
    assert 0.3 * bound < error <= bound * (1 + 1e-6)


def test_value_and_slope_are_continuous_across_knots():
    rows = table(lambda r: torch.sin(7 * r), 8)  # coarse: the second derivative jumps, these must not
    knots, step = torch.linspace(0, CUTOFF, 9, dtype=torch.float64)[1:-1], 1e-9
    for f, size in ((interpolated, 7), (slope, 49)):
        jump = f(rows, knots + step, 8) - f(rows, knots - step, 8)
        assert jump.abs().max() < 10 * 2 * step * size * 7


def test_nothing_is_left_from_the_cutoff_on():
    rows = table(torch.cos, 8)
    r = torch.tensor([CUTOFF, CUTOFF * (1 + 1e-12), 5.0, 1e6, torch.inf], dtype=torch.float64)
    assert not interpolated(rows, r, 8).any()
    assert not slope(rows, r[:4], 8).any()
    _, start = hermite_rows(r, CUTOFF, 8)
    assert start.tolist() == [28] * 5, "no row beyond the table"


def test_float32_keeps_the_slope():
    """The coefficients are rounded, not differences of rounded values."""
    r = torch.linspace(0.1, CUTOFF - 0.1, 2001, dtype=torch.float64)
    rows = table(lambda r: 5 + torch.sin(3 * r), 512)
    exact, found = slope(rows, r, 512), slope(rows.float(), r.float(), 512)
    assert (found - exact).abs().max() < 1e-5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_stay_within_the_table(dtype):
    r = torch.cat(
        [torch.tensor([0.0, 1e-30]), torch.rand(999, generator=torch.Generator().manual_seed(0)) * 4.2]
    )
    for intervals in (1, 7, 512):
        h, start = hermite_rows(r.to(dtype), CUTOFF, intervals)
        assert h.dtype == dtype
        assert 0 <= start.min() <= start.max() <= 4 * intervals - 4
        assert torch.equal(h[:, 0], (r.to(dtype) < CUTOFF).to(dtype))


def test_no_edges():
    h, start = hermite_rows(torch.zeros(0), CUTOFF, 8)
    assert (h.shape, start.shape) == ((0, 4), (0,))
