"""Newtonian gravity: from masses to accelerations, and the inverse square read off the filter.

Protocol of Thomas et al. 2018, sec. 5.1.1: a few points in a cube with masses, no two closer than 0.5; one
layer with a path 0 ⊗ 1 → 1. Trained on 2 to 10 points, tested on up to 50. G = 1, so that

    a_i = −Σ_j m_j r̂_ij / r_ij²,        r̂_ij from j to i, and F₁(r) = −1/r²
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console

from atomscape.atoms.properties import Property
from atomscape.atoms.structures import Structures
from atomscape.learn.experiment import Options, Outcome
from atomscape.learn.model import Model
from atomscape.o3.irreps import Irreps
from atomscape.recipes._filters import (
    Curve,
    Law,
    answers,
    batch,
    clouds,
    distances,
    learned,
    pictured,
    separations,
    values_of,
    worst,
)  # fmt: skip

TARGET = "the learned function is −1/r² within 1 %"

SIDE, CLOSEST, LIGHTEST, HEAVIEST = 4.0, 0.5, 0.5, 2.0

MASS = Property("mass", "1", "atom", Irreps("0e"), False, description="gravitational mass, G = 1")
ACCELERATION = Property("acceleration", "1", "atom", Irreps("1o"), False, None, (3,))
LAW = Law("gravity", (MASS,), ACCELERATION, 10.0, {"l_max": 1}, {})


class Config(Options):
    """How much is drawn and trained."""

    train: int = 1000
    test: int = 100
    most_points: int = 50
    epochs: int = 60


def run(config: Config, out: Path, console: Console) -> Outcome:
    """Draw clouds of masses, learn their accelerations, and compare the filter with −1/r²."""
    rng = np.random.default_rng(config.seed)
    parts = {
        "train": labelled(rng, rng.integers(2, 11, config.train)),
        "val": labelled(rng, rng.integers(2, 11, 100)),
        "test": labelled(rng, rng.integers(2, config.most_points + 1, config.test)),
    }
    model, results = learned(LAW, parts, out, config.seed, console, epochs=config.epochs)
    curves = (curve(model, distances([s.positions.numpy() for s in parts["train"]])),)
    pictured(curves, out, console)
    return Outcome(f"gravity: F₁ is −1/r² within {worst(curves):.2g} %", values_of(curves, results))


def labelled(rng: np.random.Generator, sizes: Sequence[int] | np.ndarray) -> Structures:
    """Clouds with masses and accelerations."""
    points = clouds(rng, sizes, SIDE, CLOSEST)
    masses = [rng.uniform(LIGHTEST, HEAVIEST, len(x)) for x in points]
    pulled = [accelerations(x, m) for x, m in zip(points, masses, strict=True)]
    return batch(points, {"mass": masses, "acceleration": pulled})


def accelerations(x: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """Σ_j m_j (r_j − r_i) / |r_j − r_i|³ at every point i."""
    v, r = separations(x)
    return np.einsum("j,ijk,ij->ik", masses, v, r**-3.0)


def curve(model: Model, r: np.ndarray) -> Curve:
    """F₁ at distances r: the pull of a unit mass, along the direction away from it."""
    away = -answers(model, r, "mass", 1.0)[:, 2].numpy()
    return Curve("F₁", "−1/r²", r, away, -1 / r**2)
