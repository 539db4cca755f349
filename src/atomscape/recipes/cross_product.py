"""Cross product: the magnetic field of currents, which needs odd paths, and what is left without them.

Points carry currents v; each feels the field of all others (Biot and Savart, μ₀/4π = 1):

    B_i = Σ_j v_j × r̂_ij / r²,          r̂_ij from j to i, and F₁(r) = 1/r²

B is a pseudovector: the path 1 ⊗ 1 → 1 that makes it, the cross product, has l₁ + l₂ + l₃ odd, and exists
with ``parity: both``. Control: the same network with natural parity, told that B is a true vector. It obeys
mirrors that B does not, and the best it can say is nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console

from atomscape.atoms.properties import Property
from atomscape.atoms.structures import Structures
from atomscape.learn.experiment import Options, Outcome, Value
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

TARGET = "the learned function is 1/r² within 1 %, and natural parity explains less than 5 % of the field"

SIDE, CLOSEST = 4.0, 0.5

CURRENT = Property("current", "1", "atom", Irreps("1o"), False, None, (3,), "current element of a point")
FIELD = Property("field", "1", "atom", Irreps("1e"), False, None, (3,), "magnetic field of the others")
LAW = Law("cross-product", (CURRENT,), FIELD, 10.0, {"l_max": 1, "parity": "both"}, {})
WRONG = replace(LAW, comes_out=replace(FIELD, irreps=Irreps("1o")), encoder={"l_max": 2})


class Config(Options):
    """How much is drawn and trained."""

    train: int = 1000
    test: int = 200
    epochs: int = 60
    control_epochs: int = 10


def run(config: Config, out: Path, console: Console) -> Outcome:
    """Draw clouds of currents, learn their fields with and without odd paths, and compare the filter."""
    rng = np.random.default_rng(config.seed)
    sizes = {"train": config.train, "val": 100, "test": config.test}
    parts = {part: labelled(rng, rng.integers(2, 11, n)) for part, n in sizes.items()}
    model, results = learned(LAW, parts, out, config.seed, console, epochs=config.epochs)
    control = out / "control"
    _, without = learned(WRONG, parts, control, config.seed, console, epochs=config.control_epochs)
    curves = (curve(model, distances([s.positions.numpy() for s in parts["train"]])),)
    pictured(curves, out, console)
    unexplained = 100 * without.metrics["test"][0].rmse / without.baselines["mean"]["test"][0].rmse
    figure = f"cross-product: F₁ is 1/r² within {worst(curves):.2g} %, {unexplained:.3g} % left without it"
    control_value = Value("left with natural parity", unexplained, "%", 95.0)
    return Outcome(figure, (*values_of(curves, results), control_value))


def labelled(rng: np.random.Generator, sizes: Sequence[int] | np.ndarray) -> Structures:
    """Clouds with currents of random directions and strengths, and their fields."""
    points = clouds(rng, sizes, SIDE, CLOSEST)
    currents = [rng.normal(size=x.shape) for x in points]
    felt = [fields(x, v) for x, v in zip(points, currents, strict=True)]
    return batch(points, {"current": currents, "field": felt})


def fields(x: np.ndarray, currents: np.ndarray) -> np.ndarray:
    """Σ_j v_j × (r_i − r_j) / r³ at every point i."""
    v, r = separations(x)
    return np.einsum("ijk,ij->ik", np.cross(currents[None], -v), r**-3.0)


def curve(model: Model, r: np.ndarray) -> Curve:
    """F₁ at distances r: a current along x, at r on the z axis, makes a field along y at the origin."""
    B = answers(model, r, "current", (1.0, 0.0, 0.0))[:, 1].numpy()
    return Curve("F₁", "1/r²", r, B, r**-2.0)
