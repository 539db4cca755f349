"""Elasticity of cubic crystals: from a strain to a stress, and the elastic constants read off.

Three lattices, each with elastic constants of its own, in one orientation; a network that sees a strain and
the directions and distances of neighbours, and no element. One linear layer holds the law exactly: on cubic
sites only the filters of degree 0 and 4 do not vanish, and they give the three constants of a cubic crystal::

    0 ⊗ 0 → 0   C₁₁ + 2 C₁₂           2 ⊗ 0 → 2   (C₁₁ − C₁₂ + 3 C₄₄) / 5
                                      2 ⊗ 4 → 2   C₁₁ − C₁₂ − 2 C₄₄, the anisotropy

Tested on crystals turned at random, under strains not seen. C is read off as a measurement would do it, from
the stresses that unit strains along the axes cause.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from atomscape.atoms.properties import PROPERTIES, Property
from atomscape.atoms.structures import Structures
from atomscape.learn.evaluate import predict
from atomscape.learn.experiment import Options, Outcome, Value
from atomscape.learn.model import Model
from atomscape.o3.irreps import Irreps
from atomscape.o3.rotation import random_rotation
from atomscape.recipes._figure import figure_of
from atomscape.recipes._filters import Law, learned

TARGET = "all nine elastic constants of three crystals within 1 %"

GPA = 1 / 160.21766208
"""eV/Å³."""

CRYSTALS: dict[str, tuple[float, tuple[tuple[float, ...], ...], tuple[float, float, float]]] = {
    "fcc copper": (3.615, ((0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0)), (168.4, 121.4, 75.4)),
    "bcc iron": (2.866, ((-0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0.5, 0.5, -0.5)), (231.4, 134.7, 116.4)),
    "simple cubic": (3.35, ((1, 0, 0), (0, 1, 0), (0, 0, 1)), (110.0, 30.0, 15.0)),
}
"""Lattice constant in Å, primitive lattice vectors over it, and C₁₁, C₁₂, C₄₄ in GPa.

Copper and iron at room temperature; the simple cubic crystal is made up.
"""

LARGEST = 0.01
"""Standard deviation of the entries of a strain."""

STRAIN = Property("strain", "1", "structure", Irreps("0e+2e"), False, None, (3, 3), "", "ij=ji")
LAW = Law("elasticity", (STRAIN,), PROPERTIES["stress"], 5.0, {"l_max": 4}, {})


class Config(Options):
    """Strains of each crystal, and how long to train."""

    train: int = 200
    test: int = 100
    epochs: int = 60


def run(config: Config, out: Path, console: Console) -> Outcome:
    """Strain crystals, learn their stresses, test on turned ones, and read off the elastic constants."""
    g = torch.Generator().manual_seed(config.seed)
    sizes = {"train": config.train, "val": 30, "test": config.test}
    parts = {part: strained(g, n, turned=part != "train") for part, n in sizes.items()}
    model, results = learned(LAW, parts, out, config.seed, console, epochs=config.epochs)
    found = {name: constants(model, name) for name in CRYSTALS}
    if find_spec("matplotlib") is None:
        console.print("no picture: pip install 'atomscape[plot]' for moduli.png")
    else:
        draw(found, out / "moduli")
    values = [
        Value(f"error of C{ij} of {name}", 100 * abs(c / exact - 1), "%", 1.0, "at most")
        for name in CRYSTALS
        for ij, c, exact in zip((11, 12, 44), found[name], CRYSTALS[name][2], strict=True)
    ]
    (test,), size = results.metrics["test"], results.fitted[0]["scale"]
    values.append(Value("test error of stress over its size", 100 * test.rmse / size, "%"))
    worst = max(v.value for v in values[:-1])
    details = {"constants in GPa": {name: list(c) for name, c in found.items()}}
    return Outcome(f"elasticity: C₁₁, C₁₂, C₄₄ within {worst:.2g} %", tuple(values), details)


def strained(g: torch.Generator, n: int, turned: bool) -> Structures:
    """Each crystal ``n`` times with random strains and their stresses; turned at random or not at all."""
    parts = []
    for name, (_, _, C) in CRYSTALS.items():
        draws = LARGEST * torch.randn(n, 3, 3, generator=g, dtype=torch.float64)
        strain = (draws + draws.mT) / 2
        Q = random_rotation(n, generator=g) if turned else torch.eye(3).double().expand(n, 3, 3)
        stress = Q @ cubic_stress(strain, C) @ Q.mT
        parts.append(crystals(name, Q, Q @ strain @ Q.mT).with_labels(stress=stress))
    return Structures.concatenate(parts)


def cubic_stress(strain: torch.Tensor, C: tuple[float, float, float]) -> torch.Tensor:
    """σ = C : ε of a cubic crystal along the axes, C in GPa, in eV/Å³."""
    C11, C12, C44 = (c * GPA for c in C)
    along = torch.diag_embed(strain.diagonal(dim1=1, dim2=2))
    trace = strain.diagonal(dim1=1, dim2=2).sum(1).view(-1, 1, 1) * torch.eye(3, dtype=strain.dtype)
    return 2 * C44 * (strain - along) + (C11 - C12) * along + C12 * trace


def crystals(name: str, Q: torch.Tensor, strain: torch.Tensor) -> Structures:
    """One-atom cells of a lattice turned by each Q. The strain is a label: the lattice is not deformed."""
    a, vectors, _ = CRYSTALS[name]
    n = len(Q)
    cell = a * torch.tensor(vectors, dtype=torch.float64) @ Q.mT
    return Structures(
        torch.zeros(n, 3, dtype=torch.float64),
        torch.ones(n, dtype=torch.int64),
        cell,
        torch.ones(n, 3, dtype=torch.bool),
        torch.arange(n),
        {"strain": strain},
        tuple(f"{name} {i}" for i in range(n)),
    )


def constants(model: Model, name: str) -> tuple[float, float, float]:
    """C₁₁, C₁₂ and C₄₄ in GPa, from the stresses under a strain along x and a shear of y and z."""
    strain = torch.zeros(2, 3, 3, dtype=torch.float64)
    strain[0, 0, 0] = strain[1, 1, 2] = strain[1, 2, 1] = LARGEST
    still = torch.eye(3, dtype=torch.float64).expand(2, 3, 3)
    ((_, predictions),) = predict(model, crystals(name, still, strain))
    stress = predictions["stress"] / LARGEST / GPA
    return float(stress[0, 0, 0]), float(stress[0, 1, 1]), float(stress[1, 1, 2]) / 2


def young(directions: np.ndarray, C: tuple[float, float, float]) -> np.ndarray:
    """Young's modulus in GPa along unit vectors: 1/E = S₁₁ − (2 S₁₁ − 2 S₁₂ − S₄₄)(x²y² + y²z² + z²x²)."""
    C11, C12, C44 = C
    S = np.linalg.inv(C12 * np.ones((3, 3)) + (C11 - C12) * np.eye(3))
    x, y, z = np.moveaxis(directions**2, -1, 0)
    return 1 / (S[0, 0] - (2 * S[0, 0] - 2 * S[0, 1] - 1 / C44) * (x * y + y * z + z * x))


def draw(found: Mapping[str, tuple[float, float, float]], path: Path | None = None) -> Any:
    """Young's modulus by direction: as learned, as a surface, and in the plane (1̄10) beside the given one.

    Raises
    ------
    ImportError
        matplotlib is not installed.
    """
    fig = figure_of((10, 6), path)
    from matplotlib import cm

    theta, phi = np.mgrid[0 : np.pi : 61j, 0 : 2 * np.pi : 121j]
    d = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], -1)
    angle = np.linspace(0, 2 * np.pi, 361)
    plane = np.stack([np.sin(angle) / 2**0.5, np.sin(angle) / 2**0.5, np.cos(angle)], -1)
    for k, (name, C) in enumerate(found.items(), start=1):
        E = young(d, C)
        ax: Any = fig.add_subplot(2, 3, k, projection="3d")
        shade = (E - E.min()) / (E.max() - E.min())
        x, y, z = np.moveaxis(d * E[..., None] / E.max(), -1, 0)
        look = {"rstride": 1, "cstride": 1, "linewidth": 0, "antialiased": False, "rasterized": True}
        ax.plot_surface(x, y, z, facecolors=cm.viridis(shade), **look)
        ax.set(xlim=(-0.75, 0.75), ylim=(-0.75, 0.75), zlim=(-0.75, 0.75))
        ax.set_box_aspect((1, 1, 1), zoom=1.3)
        ax.set_axis_off()
        ax.set_title(f"{name}\nE from {E.min():.0f} to {E.max():.0f} GPa", fontsize=11)
        polar: Any = fig.add_subplot(2, 3, k + 3, projection="polar")
        polar.plot(angle, young(plane, C), color="#e07b39", lw=5, alpha=0.55, label="learned")
        given = young(plane, CRYSTALS[name][2])
        polar.plot(angle, given, color="0.15", lw=1.2, ls=(0, (4, 2)), label="given")
        polar.set_theta_zero_location("N")
        polar.set_xticks(np.deg2rad([0, 54.7356, 90]), ["[001]", "[111]", "[110]"], fontsize=8)
        polar.set_yticks([])
        polar.spines["polar"].set_visible(False)
    polar.legend(frameon=False, loc="lower left", bbox_to_anchor=(0.85, -0.1), fontsize=9)
    fig.tight_layout()
    if path is not None:
        for kind in ("png", "svg"):
            fig.savefig(path.with_suffix(f".{kind}"), dpi=150)
    return fig
