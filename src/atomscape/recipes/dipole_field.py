"""Field of dipoles: from vectors to vectors, and the inverse cube read off the filter of degree 2.

Points carry dipoles p; each feels the field of all others (in units where 1/4πε₀ = 1):

    E_i = Σ_j (3 (p_j·r̂) r̂ − p_j) / r³ = Σ_j [F₀(r) 1 + F₂(r) (3 r̂ r̂ − 1)] p_j,      F₀ = 0,  F₂ = 1/r³

One layer with the paths 1 ⊗ 0 → 1 and 1 ⊗ 2 → 1 holds it; the first has to learn to be silent.
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

TARGET = "the learned functions are 1/r³ and 0 within 1 %"

SIDE, CLOSEST = 4.0, 0.7

SOURCE = Property("source", "1", "atom", Irreps("1o"), False, None, (3,), "dipole of a point")
FIELD = Property("field", "1", "atom", Irreps("1o"), False, None, (3,), "field of the other dipoles")
LAW = Law("dipole-field", (SOURCE,), FIELD, 10.0, {"l_max": 2}, {})


class Config(Options):
    """How much is drawn and trained."""

    train: int = 1000
    test: int = 200
    epochs: int = 60


def run(config: Config, out: Path, console: Console) -> Outcome:
    """Draw clouds of dipoles, learn their fields, and compare both filters."""
    rng = np.random.default_rng(config.seed)
    sizes = {"train": config.train, "val": 100, "test": config.test}
    parts = {part: labelled(rng, rng.integers(2, 11, n)) for part, n in sizes.items()}
    model, results = learned(LAW, parts, out, config.seed, console, epochs=config.epochs)
    found = curves(model, distances([s.positions.numpy() for s in parts["train"]]))
    pictured(found, out, console)
    return Outcome(
        f"dipole-field: F₂ and F₀ are 1/r³ and 0 within {worst(found):.2g} %", values_of(found, results)
    )


def labelled(rng: np.random.Generator, sizes: Sequence[int] | np.ndarray) -> Structures:
    """Clouds with dipoles of random directions and lengths, and their fields."""
    points = clouds(rng, sizes, SIDE, CLOSEST)
    sources = [rng.normal(size=x.shape) for x in points]
    felt = [fields(x, p) for x, p in zip(points, sources, strict=True)]
    return batch(points, {"source": sources, "field": felt})


def fields(x: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Σ_j (3 (p_j·r̂) r̂ − p_j) / r³ at every point."""
    v, r = separations(x)
    along = np.einsum("jk,ijk->ij", p, v)
    return np.einsum("ij,ijk->ik", 3 * along / r**5, v) - np.einsum("jk,ij->ik", p, r**-3.0)


def curves(model: Model, r: np.ndarray) -> tuple[Curve, Curve]:
    """F₂ and F₀ at distances r, from dipoles along and across the line between two points."""
    along = answers(model, r, "source", (0.0, 0.0, 1.0))[:, 2].numpy()
    across = answers(model, r, "source", (1.0, 0.0, 0.0))[:, 0].numpy()
    exact = r**-3.0
    size = float(np.sqrt(np.mean(exact**2)))
    F2, F0 = (along - across) / 3, (along + 2 * across) / 3
    return Curve("F₂", "1/r³", r, F2, exact), Curve("F₀", "0", r, F0, np.zeros_like(r), size)
