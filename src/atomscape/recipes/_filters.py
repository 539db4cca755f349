"""Filters that are read off: one linear layer learns a law of points, and two points show what it learned.

A layer without nonlinearity is a sum of filters R(r) Y_l(r̂) over neighbours (Thomas et al. 2018, eq. 4).
Two points, one of them a source of unit strength, therefore show R itself, at every distance. The radial
functions are Gaussians in ln r times a smooth cutoff, combined linearly. The cutoff lies beyond the largest
distance in the data, where it has fallen to about one half: what is learned makes up for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from atomscape.atoms.properties import Property
from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, records
from atomscape.data.store import is_store, write_store
from atomscape.learn.checkpoint import load_model
from atomscape.learn.config import RunConfig
from atomscape.learn.evaluate import predict
from atomscape.learn.experiment import Value, trained
from atomscape.learn.model import Model
from atomscape.learn.recipe import validate
from atomscape.learn.results import Results
from atomscape.recipes._figure import figure_of
from atomscape.shapes import Float, Tensor

TARGET_ERROR = 1.0
"""Per cent by which a learned function may differ from the analytic one."""


@dataclass(frozen=True)
class Law:
    """What is learned: labels that enter, the label that comes out, and the network that can hold the law."""

    name: str
    enters: tuple[Property, ...]
    comes_out: Property
    cutoff: float
    encoder: Mapping[str, Any]
    training: Mapping[str, Any]

    def config(self, store: Path, seed: int, **training: Any) -> RunConfig:
        """Config of the training: one linear layer, no elements, mean squared error."""
        encoder = {
            "kind": "tfn", "layers": 1, "channels": 4, "cutoff": self.cutoff, "n_radial": 32,
            "radial": "logarithmic", "radial_hidden": 0, "species": False, "nonlinear": False,
            "inputs": [p.name for p in self.enters],
        }  # fmt: skip
        head = {"kind": "tensor", "nonlinear": False}
        usual = {
            "epochs": 60, "batch": {"structures": 20}, "learning_rate": 0.02, "weight_decay": 0.0,
            "ema": 0.9, "evaluate_every": 10, "checkpoint_every": 30,
        }  # fmt: skip
        return validate(
            {
                "name": self.name,
                "seed": seed,
                "data": [{"name": self.name, "source": str(store), "split": {"kind": "store"}}],
                "encoder": {**encoder, **self.encoder},
                "objectives": [{"property": self.comes_out.name, "head": head, "loss": "mse"}],
                "training": {**usual, **self.training, **training},
            }
        )


def learned(
    law: Law, parts: Mapping[str, Structures], out: Path, seed: int, console: Console, **training: Any
) -> tuple[Model, Results]:
    """Write the parts (train, val, test) to a store, train on it, and return the best model.

    A store and a training that are there already are taken up.
    """
    folder = out / "data"
    folder.parent.mkdir(parents=True, exist_ok=True)
    if not is_store(folder):
        counts = np.cumsum([0, *(len(s) for s in parts.values())])
        splits = {p: np.arange(a, b) for p, a, b in zip(parts, counts[:-1], counts[1:], strict=True)}
        card = Card(name=law.name, properties=records(*law.enters, law.comes_out), generated=True)
        named = [replace(s, ids=tuple(f"{part}-{i}" for i in s.ids)) for part, s in parts.items()]
        write_store(folder, named, card, splits)
    results = trained(law.config(folder, seed, **training), out / "training", console)
    return load_model(out / "training"), results


def clouds(
    rng: np.random.Generator, sizes: Sequence[int] | np.ndarray, side: float, closest: float = 0.0
) -> list[np.ndarray]:
    """Points drawn evenly in cubes of a side; one that is closer than ``closest`` to a former is left out."""
    made = []
    for size in sizes:
        x = rng.uniform(-side / 2, side / 2, (size, 3))
        kept: list[np.ndarray] = []
        for point in x:
            if all(np.linalg.norm(point - other) >= closest for other in kept):
                kept.append(point)
        made.append(np.array(kept))
    return made


def batch(points: Sequence[np.ndarray], per_atom: Mapping[str, Sequence[np.ndarray]]) -> Structures:
    """Structures of points ``[points, 3]`` with labels of the points; hydrogen means nothing."""
    counts = torch.tensor([len(x) for x in points])
    n = len(points)
    x = torch.from_numpy(np.concatenate(points))
    return Structures(
        x,
        torch.ones(len(x), dtype=torch.int64),
        torch.zeros(n, 3, 3, dtype=torch.float64),
        torch.zeros(n, 3, dtype=torch.bool),
        torch.repeat_interleave(torch.arange(n), counts),
        {k: torch.from_numpy(np.concatenate(v)) for k, v in per_atom.items()},
        tuple(str(i) for i in range(n)),
        frozenset(per_atom),
    )


def separations(x: Float[np.ndarray, "points 3"]) -> tuple[np.ndarray, np.ndarray]:
    """Vectors r_j − r_i from every point i to every j, and their lengths, infinite for i = j."""
    v = x[None] - x[:, None]
    r = np.linalg.norm(v, axis=-1)
    np.fill_diagonal(r, np.inf)
    return v, r


def distances(points: Sequence[np.ndarray]) -> Float[np.ndarray, " pairs"]:
    """Distances within the clouds, ascending: as many quantiles as show how they are distributed."""
    found = [separations(x)[1] for x in points]
    return quantiles(np.concatenate([r[np.isfinite(r)] for r in found]))


def quantiles(r: Float[np.ndarray, " pairs"], count: int = 1000) -> Float[np.ndarray, " distances"]:
    """From the smallest to the largest, equally many between any two neighbours."""
    return np.quantile(r, np.linspace(0, 1, count))


def answers(
    model: Model, r: Float[np.ndarray, " distances"], name: str, source: Sequence[float] | np.ndarray | float
) -> Float[Tensor, "distances *shape"]:
    """What comes out at the origin for a source at distance r along z, which is all that enters."""
    value = np.asarray(source, dtype=float)
    points = [np.array([[0.0, 0.0, 0.0], [0.0, 0.0, d]]) for d in r]
    labels = {name: [np.stack([np.zeros_like(value), value])] * len(r)}
    pairs = batch(points, labels)
    (out,) = (h.predicts.name for h in model.architecture.heads)
    return torch.cat([p[out] for _, p in predict(model, pairs)])[::2]


@dataclass(frozen=True)
class Curve:
    """A radial function as learned and as it should be, at the distances of the data."""

    name: str
    formula: str
    r: Float[np.ndarray, " distances"]
    learned: Float[np.ndarray, " distances"]
    exact: Float[np.ndarray, " distances"]
    size: float = 0.0

    @property
    def error(self) -> float:
        """Root mean square of the difference over that of the function (or a given size), in per cent."""
        size = self.size or float(np.sqrt(np.mean(self.exact**2)))
        return 100 * float(np.sqrt(np.mean((self.learned - self.exact) ** 2))) / size

    @property
    def largest(self) -> float:
        """Largest difference over the largest value (or a given size), in per cent."""
        size = self.size or float(np.abs(self.exact).max())
        return 100 * float(np.abs(self.learned - self.exact).max()) / size


def values_of(curves: Sequence[Curve], results: Results) -> tuple[Value, ...]:
    """Errors of the functions, which have a target, and the error of the law on the test part."""
    (test,), size = results.metrics["test"], results.fitted[0]["scale"]
    return (
        *(Value(f"error of {c.name}", c.error, "%", TARGET_ERROR, "at most") for c in curves),
        *(Value(f"largest error of {c.name}", c.largest, "%") for c in curves),
        Value(f"test error of {test.property} over its size", 100 * test.rmse / size, "%"),
    )


def worst(curves: Sequence[Curve]) -> float:
    """Largest error of the functions in per cent."""
    return max(c.error for c in curves)


def draw(curves: Sequence[Curve], path: Path | None = None) -> Any:
    """Picture of learned and analytic functions over a histogram of the distances; written to ``path``.

    Raises
    ------
    ImportError
        matplotlib is not installed.
    """
    fig = figure_of((4.6 * len(curves), 3.6), path)
    for ax, c in zip(fig.subplots(1, len(curves), squeeze=False)[0], curves, strict=True):
        low, high = sorted((min(0, c.exact.min()), max(0, c.exact.max())))
        room = 0.08 * (high - low) or c.size
        density, edges = np.histogram(c.r, bins=60)
        scale = 0.28 * (high - low + 2 * room) / density.max()
        ax.bar(edges[:-1], density * scale, np.diff(edges), low - room, align="edge", color="0.9")
        ax.axhline(0, color="0.8", lw=0.8)
        ax.plot(c.r, c.learned, color="#e07b39", lw=5, alpha=0.55, solid_capstyle="round", label="learned")
        ax.plot(c.r, c.exact, color="0.15", lw=1.3, ls=(0, (4, 2)), label=c.formula)
        ax.set(xlabel="distance r", ylim=(low - room, high + room), xlim=(0, c.r[-1]))
        ax.set_title(f"{c.name}: {c.error:.2g} % off", fontsize=11)
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(frameon=False)
    fig.tight_layout()
    if path is not None:
        for kind in ("png", "svg"):
            fig.savefig(path.with_suffix(f".{kind}"), dpi=150)
    return fig


def pictured(curves: Sequence[Curve], out: Path, console: Console) -> None:
    """Write radial.png and radial.svg where matplotlib is there, else say what is missing."""
    if find_spec("matplotlib") is None:
        console.print("no picture: pip install 'atomscape[plot]' for radial.png")
        return
    draw(curves, out / "radial")
