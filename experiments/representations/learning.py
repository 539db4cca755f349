"""What can be learned on a representation: kernel ridge regression and nearest neighbours.

The kernel is exp(−|x − x'|/w) or exp(−|x − x'|²/2w²) on features divided by one common deviation; which, its
width and the ridge are chosen by errors on the val part. Energies are learned as the residual of a linear
regression on the counts of the elements, which every model gets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial.distance import cdist

WIDTHS = (0.5, 1.0, 3.0, 10.0)
RIDGES = (1e-8, 1e-5, 1e-3)
NEIGHBOURS = 5


@dataclass(frozen=True)
class Choice:
    """Kernel, its width in medians of the distances, and the ridge."""

    kernel: str
    width: float
    ridge: float


def scaled(x: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Features that vary, centred and divided by one common deviation of the training part, float32.

    One for all: that features differ in size is part of a representation.
    """
    moving = x[train].std(0) > 0
    x = x[:, moving] if moving.any() else x[:, :1]
    x = x - x[train].mean(0)
    return (x / max(float(np.sqrt((x[train] ** 2).mean())), 1e-12)).astype(np.float32)


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Euclidean distances, by one product of matrices."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    square = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T
    return np.sqrt(np.maximum(square, 0.0))


def kernel(d: np.ndarray, how: Choice, unit: float) -> np.ndarray:
    """Values of the kernel at distances; ``unit`` is the median distance."""
    t = d / (how.width * unit)
    return np.exp(-t) if how.kernel == "exponential" else np.exp(-0.5 * t**2)


def solved(d: np.ndarray, y: np.ndarray, how: Choice, unit: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights of kernel ridge regression, and the mean."""
    mean = y.mean(0)
    K = kernel(d, how, unit)
    K[np.diag_indices_from(K)] += how.ridge
    return cho_solve(cho_factor(K, lower=True, overwrite_a=True), y - mean), mean


def choose(d: np.ndarray, d_val: np.ndarray, y: np.ndarray, y_val: np.ndarray, unit: float) -> list[Choice]:
    """Best choice for each column of y."""
    errors: dict[Choice, np.ndarray] = {}
    for name in ("gaussian", "exponential"):
        for width in WIDTHS:
            for ridge in RIDGES:
                how = Choice(name, width, ridge)
                try:
                    weights, mean = solved(d, y, how, unit)
                except np.linalg.LinAlgError:
                    continue
                errors[how] = np.abs(kernel(d_val, how, unit) @ weights + mean - y_val).mean(0)
    return [min(errors, key=lambda how: errors[how][t]) for t in range(y.shape[1])]


def predicted(d: np.ndarray, d_test: np.ndarray, y: np.ndarray, how: list[Choice], unit: float) -> np.ndarray:
    """Predictions for the test part, each column with its own choice."""
    out = np.empty((len(d_test), y.shape[1]))
    for t, choice in enumerate(how):
        weights, mean = solved(d, y[:, t : t + 1], choice, unit)
        out[:, t] = (kernel(d_test, choice, unit) @ weights + mean)[:, 0]
    return out


def nearest(d_test: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Mean of the nearest few."""
    order = np.argpartition(d_test, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
    return y[order].mean(1)


def errors(predictions: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean absolute error of each column, and its standard error over the structures."""
    e = np.abs(predictions - truth)
    return e.mean(0), e.std(0) / np.sqrt(len(e))


def median_distance(x: np.ndarray, rng: np.random.Generator) -> float:
    """Median distance of random pairs."""
    some = x[rng.permutation(len(x))[:500]]
    d = cdist(some, some)
    return float(np.median(d[np.triu_indices(len(some), 1)])) or 1.0
