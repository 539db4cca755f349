"""Small stores with labels that have a known law, and configs to train on them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.properties import PROPERTIES
from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, PropertyRecord
from atomscape.data.store import Store, write_store
from atomscape.learn.config import RunConfig
from atomscape.learn.recipe import apply_overrides, validate

E0 = {1: -13.6, 6: -1029.0, 8: -2041.0}
NAMES = ("energy", "forces", "stress", "gap", "charges")


def pair_energy(s: Structures) -> torch.Tensor:
    """Σ E0 + Σ_pairs ½ (1 − r/3)² for r < 3 Å, per structure; differentiable."""
    graph = neighbour_graph(s, 3.0)
    r = graph.vectors.square().sum(-1).sqrt()
    each = torch.tensor([E0[int(z)] for z in s.numbers], dtype=torch.float64)
    energy = torch.zeros(len(s), dtype=torch.float64).index_add(0, s.structure, each)
    return energy.index_add(0, s.structure[graph.centre], 0.25 * (1 - r / 3).square())


def labelled(s: Structures) -> Structures:
    """Energy, forces and stress of ``pair_energy``; a gap from the pairs, charges from the elements."""
    strain = torch.zeros_like(s.cell).requires_grad_()
    positions = s.positions.clone().requires_grad_()
    moved = positions + torch.einsum("ai,aij->aj", positions, strain[s.structure])
    strained = Structures(moved, s.numbers, s.cell + s.cell @ strain, s.pbc, s.structure)
    energy = pair_energy(strained)
    d_positions, d_strain = torch.autograd.grad(energy.sum(), (positions, strain))
    stress = d_strain / torch.linalg.det(s.cell).abs().clamp(min=1e-3).view(-1, 1, 1)
    stress[~s.pbc.all(1)] = math.nan
    each = torch.tensor([E0[int(z)] for z in s.numbers], dtype=torch.float64)
    bonds = energy.detach().index_add(0, s.structure, -each) / s.counts
    return s.with_labels(
        energy=energy.detach(),
        forces=-d_positions,
        stress=stress,
        gap=5.0 + 3.0 * bonds,
        charges=(s.numbers == 1).double() * 0.1 - (s.numbers == 8).double() * 0.3,
    )


def random_structures(n: int, seed: int, periodic: bool = False) -> Structures:
    """Clusters (or cells) of 3 to 6 atoms of H, C and O, atoms at least ~0.8 Å apart."""
    rng = np.random.default_rng(seed)
    parts = []
    for _ in range(n):
        k = int(rng.integers(3, 7))
        grid = np.stack(np.meshgrid(*[np.arange(2)] * 3), -1).reshape(-1, 3)[rng.permutation(8)[:k]]
        x = torch.tensor(1.6 * grid + rng.uniform(-0.3, 0.3, (k, 3)))
        cell = 3.4 * torch.eye(3, dtype=torch.float64)[None] * float(periodic)
        numbers = torch.tensor(rng.choice([1, 6, 8], k))
        pbc = torch.full((1, 3), periodic)
        parts.append(Structures(x, numbers, cell, pbc, torch.zeros(k, dtype=torch.int64)))
    return Structures.concatenate(parts)


def make_store(folder: Path, structures: Structures, name: str = "toy") -> Store:
    """Write a store with the labels the structures have."""
    records = tuple(PropertyRecord.of(PROPERTIES[p]) for p in NAMES if p in structures.labels)
    return write_store(folder, [structures], Card(name=name, properties=records))


@pytest.fixture(scope="session")
def toy(tmp_path_factory) -> Path:
    """A store of 60 labelled clusters."""
    folder = tmp_path_factory.mktemp("stores") / "toy"
    make_store(folder, labelled(random_structures(60, seed=1)))
    return folder


@pytest.fixture(scope="session")
def toy_crystals(tmp_path_factory) -> Path:
    """A store of 40 labelled crystals without a gap."""
    folder = tmp_path_factory.mktemp("stores") / "toy_crystals"
    s = labelled(random_structures(40, seed=2, periodic=True))
    labels = {k: v for k, v in s.labels.items() if k != "gap"}
    make_store(folder, Structures(s.positions, s.numbers, s.cell, s.pbc, s.structure, labels), "toy_crystals")
    return folder


@pytest.fixture
def make_config(toy: Path) -> Callable[..., RunConfig]:
    """``make_config("training.epochs=3", …)``: learn the gap of ``toy`` with a tiny SchNet."""

    def make(*overrides: str) -> RunConfig:
        raw = {
            "name": "toy",
            "data": [
                {"name": "toy", "source": str(toy), "split": {"kind": "random", "train": 40, "val": 10}}
            ],
            "encoder": {"kind": "schnet", "channels": 8, "layers": 1, "cutoff": 3.0, "n_radial": 6},
            "objectives": [{"property": "gap"}],
            "training": {"epochs": 2, "batch": {"structures": 8}, "learning_rate": 0.01},
        }
        return validate(apply_overrides(raw, overrides))

    return make


@pytest.fixture
def quiet() -> Console:
    """A console that prints nowhere."""
    return Console(quiet=True)


@pytest.fixture
def toy_structures() -> Callable[..., Structures]:
    """``toy_structures(n, seed, periodic)``: labelled structures, not stored."""
    return lambda n, seed=0, periodic=False: labelled(random_structures(n, seed, periodic))


@pytest.fixture
def store_of() -> Callable[..., Store]:
    """``store_of(folder, structures)``: write a store with the labels the structures have."""
    return make_store
