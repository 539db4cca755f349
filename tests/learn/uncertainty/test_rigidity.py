"""Rigidity and calibration where the truth is known: linear models with noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from atomscape.learn.uncertainty.calibrate import Scale, calibrate
from atomscape.learn.uncertainty.reliability import covered, reliability
from atomscape.learn.uncertainty.reliability_figure import reliability_figure
from atomscape.learn.uncertainty.rigidity import outer_sum, rigidity_of


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    """Numbers from N(0, 1)."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_leverage_is_the_quadratic_form():
    features, sizes = normal(20, 3, 6), torch.arange(1.0, 21.0, dtype=torch.float64)
    C = torch.zeros(6, 6, dtype=torch.float64)
    for row, m in zip(features, sizes, strict=True):
        for entry in row:
            C += torch.outer(entry, entry) / m
    assert torch.allclose(outer_sum(features, sizes), C, rtol=1e-13)
    rigidity, inverse = rigidity_of(C), torch.linalg.inv(C + 0.3 * torch.eye(6, dtype=torch.float64))
    new = normal(5, 2, 6, seed=1)
    expected = torch.einsum("rei,ij,rej->re", new, inverse, new)
    torch.testing.assert_close(rigidity.leverage(new, 0.3), expected, rtol=1e-12, atol=0)
    several = rigidity.leverages(new, torch.tensor([0.3, 2.0], dtype=torch.float64))
    torch.testing.assert_close(several[..., 0], expected, rtol=1e-12, atol=0)
    assert bool((several[..., 1] < several[..., 0]).all())
    torch.testing.assert_close(rigidity.root(0.3) @ rigidity.root(0.3).mT, inverse, rtol=1e-11, atol=1e-12)


def test_it_is_the_posterior_of_linear_regression():
    """Bayesian regression with noise β and prior precision ς²: its covariance is what draws of w have."""
    X, beta, ridge = normal(50, 4), 0.7, 0.9
    C = outer_sum(X.unsqueeze(1), torch.ones(50, dtype=torch.float64)) / beta**2
    posterior = torch.linalg.inv(X.mT @ X / beta**2 + ridge * torch.eye(4, dtype=torch.float64))
    x = normal(3, 4, seed=2)
    expected = (x @ posterior * x).sum(1)
    torch.testing.assert_close(rigidity_of(C).leverage(x, ridge), expected, rtol=1e-12, atol=0)


def test_a_training_set_that_lacks_a_direction_leaves_it_open():
    X = torch.cat([normal(30, 3), torch.zeros(30, 1, dtype=torch.float64)], 1)
    rigidity = rigidity_of(outer_sum(X.unsqueeze(1), torch.ones(30, dtype=torch.float64)))
    new = torch.eye(4, dtype=torch.float64)
    q = rigidity.leverage(new, 1e-6)
    assert float(q[3]) == pytest.approx(1e6)
    assert float(q[:3].max()) < 1


def synthetic(n: int, truth: Scale, seed: int = 0):
    """Errors drawn from σ² = α²(q(ς) + ρ m), with leverages for a grid of ς²."""
    X = normal(60, 8, seed=seed) * torch.logspace(0, -2, 8, dtype=torch.float64)
    rigidity = rigidity_of(outer_sum(X.unsqueeze(1), torch.ones(60, dtype=torch.float64)))
    features, sizes = normal(n, 1, 8, seed=seed + 1), torch.arange(n, dtype=torch.float64) % 5 + 1
    sigma = truth.variance(rigidity.leverage(features, truth.ridge), sizes).sqrt()
    errors = sigma * normal(n, 1, seed=seed + 2)
    return errors, rigidity.leverages(features, rigidity.ridges), sizes, rigidity, sigma


def test_alpha_and_ridge_come_back():
    ridge = float(synthetic(1, Scale(1.0))[3].ridges[14])
    errors, leverages, sizes, rigidity, sigma = synthetic(4000, Scale(2.5, ridge))
    found = calibrate(errors, leverages, sizes, rigidity.ridges)
    assert found.alpha == pytest.approx(2.5, rel=0.1)
    assert found.ridge == pytest.approx(ridge, rel=0.01)
    k = int((rigidity.ridges - found.ridge).abs().argmin())
    again = found.variance(leverages[..., k], sizes).sqrt()
    assert float((again / sigma).log().abs().max()) < 0.1


def test_noise_comes_back():
    ridge = float(synthetic(1, Scale(1.0))[3].ridges[14])
    errors, leverages, sizes, rigidity, sigma = synthetic(4000, Scale(1.5, ridge, 30.0))
    found = calibrate(errors, leverages, sizes, rigidity.ridges)
    k = int((rigidity.ridges - found.ridge).abs().argmin())
    again = found.variance(leverages[..., k], sizes).sqrt()
    assert found.noise > 0
    assert float((again / sigma).log().abs().quantile(0.95)) < 0.12
    silent = Scale(found.alpha, found.ridge)
    assert float((silent.variance(leverages[..., k], sizes).sqrt() / sigma).log().abs().mean()) > 0.12


def test_alpha_has_its_closed_form():
    """With one ς and no noise to choose, α² is the mean of e²/q, where the likelihood is largest."""
    errors, q, sizes = (
        normal(200, 1) * 3,
        torch.ones(200, 1, 1, dtype=torch.float64),
        torch.ones(200).double(),
    )
    found = calibrate(errors, q, sizes, torch.zeros(1, dtype=torch.float64))
    variance = float(found.variance(q[..., 0], sizes)[0])
    assert variance == pytest.approx(float(errors.square().mean()), rel=1e-12)


def test_too_few_errors_are_refused():
    one = torch.ones(3, 1, dtype=torch.float64)
    with pytest.raises(ValueError, match="3 labels of the validation part are known; at least 4"):
        calibrate(one, one.unsqueeze(-1), one[:, 0], torch.zeros(1))


def test_a_true_sigma_is_reliable_and_a_wrong_one_is_not():
    rng = np.random.default_rng(0)
    sigma = rng.uniform(0.1, 2.0, 20000)
    errors = rng.normal(size=20000) * sigma
    constant = float(np.sqrt(np.mean(errors**2)))
    true = reliability(errors, sigma, constant, "energy", "eV")
    assert true.coverage == pytest.approx({"68%": 0.68, "90%": 0.90, "95%": 0.95}, abs=0.01)
    assert true.area < 0.01
    assert true.ence < 0.04
    assert true.nll < true.nll_constant - 0.1
    assert true.spearman == pytest.approx(true.best_spearman, abs=0.02)
    low = reliability(errors, sigma / 2, constant)
    assert low.coverage["68%"] < 0.45
    assert low.ence == pytest.approx(1.0, abs=0.1)
    assert low.nll > true.nll
    same = reliability(errors, np.full(20000, constant), constant)
    assert (same.nll, same.spearman) == (same.nll_constant, 0.0)


def test_coverage_counts():
    assert covered(np.array([0.5, 1.5, 2.5, 9.0]), [0.0, 0.6827, 0.9545, 1.0]).tolist() == [0, 0.25, 0.5, 1]


@pytest.mark.parametrize(("errors", "sigma", "text"), [([], [], "no labels"), ([1.0], [0.0], "not positive")])
def test_what_cannot_be_judged(errors, sigma, text):
    with pytest.raises(ValueError, match=text):
        reliability(np.array(errors), np.array(sigma), 1.0, "gap")


def test_figure():
    rng = np.random.default_rng(0)
    one = reliability(rng.normal(size=50), rng.uniform(0.5, 1, 50), 1.0, "a<b", "eV", "last layer")
    drawn = reliability_figure([one, one])
    assert drawn.startswith("<svg")
    assert drawn.count("<circle") == 20
    assert "a&lt;b" in drawn
    assert "σ (meV)" in drawn
    with pytest.raises(ValueError, match="no reliability to draw"):
        reliability_figure([])
