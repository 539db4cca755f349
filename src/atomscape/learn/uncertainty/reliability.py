"""Reliability: do errors have the size that their uncertainties say? Numbers and the curves behind them.

With errors e and standard deviations σ

    NLL               ½ mean( ln 2πσ² + e²/σ² )
    coverage at p     share of |e| ≤ z(p) σ,  z(p) the quantile of the normal distribution
    area              ∫ |coverage(p) − p| dp                    Kuleshov, Fenner, Ermon (ICML 2018)
    ENCE              mean over bins of |RMV − RMSE| / RMV       Levi et al., Sensors 22, 5540 (2022), eq. 8
    Spearman          rank correlation of |e| with σ: whether the large errors are where σ is large
    sharpness         √ mean σ²

RMV and RMSE are the roots of the mean variance and the mean squared error of rows with like σ (bins of equal
count). A perfectly calibrated σ does not reach a rank correlation of 1: that of N(0, σ²) itself stands beside
it as ``best_spearman``. What has one σ for all, the root mean square error of the validation part, is the
baseline: an uncertainty is worth its cost where its NLL is lower.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import NormalDist

import numpy as np
from scipy.stats import spearmanr

from atomscape.shapes import Float

LEVELS = (0.68, 0.90, 0.95)
BINS = 10


@dataclass(frozen=True)
class Reliability:
    """Numbers on one property, in its unit (per atom where it adds up over atoms)."""

    property: str
    unit: str
    method: str
    count: int
    rmse: float
    nll: float
    nll_constant: float
    coverage: dict[str, float]
    area: float
    ence: float
    spearman: float
    best_spearman: float
    sharpness: float
    expected: tuple[float, ...]
    observed: tuple[float, ...]
    rmv: tuple[float, ...]
    bin_rmse: tuple[float, ...]

    def as_dict(self) -> dict:
        """Plain data."""
        return asdict(self)


def reliability(
    errors: Float[np.ndarray, " rows"],
    sigma: Float[np.ndarray, " rows"],
    constant: float,
    property: str = "",
    unit: str = "",
    method: str = "",
) -> Reliability:
    """Judge σ on errors; ``constant`` is the baseline's σ.

    Raises
    ------
    ValueError
        There are no errors, or a σ is not positive.
    """
    if not len(errors):
        raise ValueError(f"no labels of {property or 'the property'} are known: nothing to judge σ by")
    if not (sigma > 0).all():
        raise ValueError(f"σ of {property or 'the property'} is not positive for {(~(sigma > 0)).sum()} rows")
    expected = np.linspace(0, 1, 101)
    observed = covered(np.abs(errors) / sigma, expected)
    rmv, rmse = bins(errors, sigma)
    return Reliability(
        property=property,
        unit=unit,
        method=method,
        count=len(errors),
        rmse=_root(errors),
        nll=nll(errors, sigma),
        nll_constant=nll(errors, np.full_like(sigma, constant)),
        coverage={f"{level:.0%}": float(covered(np.abs(errors) / sigma, [level])[0]) for level in LEVELS},
        area=_area(np.abs(observed - expected)),
        ence=float(np.mean(np.abs(rmv - rmse) / rmv)),
        spearman=_ranks(np.abs(errors), sigma),
        best_spearman=_ranks(np.abs(np.random.default_rng(0).normal(size=len(sigma))) * sigma, sigma),
        sharpness=_root(sigma),
        expected=tuple(expected.tolist()),
        observed=tuple(observed.tolist()),
        rmv=tuple(rmv.tolist()),
        bin_rmse=tuple(rmse.tolist()),
    )


def nll(errors: Float[np.ndarray, " rows"], sigma: Float[np.ndarray, " rows"]) -> float:
    """Mean negative log-likelihood in nats; differences do not depend on the unit."""
    return float(0.5 * np.mean(np.log(2 * np.pi * sigma**2) + (errors / sigma) ** 2))


def covered(z: Float[np.ndarray, " rows"], levels) -> Float[np.ndarray, " levels"]:
    """Share of |e|/σ within the central interval that holds each share of a normal distribution."""
    normal, ordered = NormalDist(), np.sort(z)
    edges = [np.inf if p >= 1 else normal.inv_cdf((1 + p) / 2) for p in levels]
    return np.searchsorted(ordered, edges, side="right") / len(ordered) * (np.asarray(levels) > 0)


def bins(
    errors: Float[np.ndarray, " rows"], sigma: Float[np.ndarray, " rows"], count: int = BINS
) -> tuple[Float[np.ndarray, " bins"], Float[np.ndarray, " bins"]]:
    """RMV and RMSE of rows with like σ, in bins of equal count, σ ascending."""
    parts = np.array_split(np.argsort(sigma, kind="stable"), min(count, len(sigma)))
    return np.array([_root(sigma[p]) for p in parts]), np.array([_root(errors[p]) for p in parts])


def _ranks(a: np.ndarray, b: np.ndarray) -> float:
    """Rank correlation; 0 where one of them is the same for all, for then it tells nothing apart."""
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(spearmanr(a, b)[0])  # pyright: ignore[reportArgumentType]


def _root(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(x))))


def _area(gap: np.ndarray) -> float:
    """Integral over the levels from 0 to 1, by the trapezoidal rule."""
    return float(np.mean((gap[1:] + gap[:-1]) / 2))
