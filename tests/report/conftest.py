"""A run of seconds on clusters of carbon and oxygen in a pair potential."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.properties import PROPERTIES
from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, PropertyRecord
from atomscape.data.store import write_store
from atomscape.learn.recipe import validate
from atomscape.learn.train import train


def clusters(n: int) -> Structures:
    """Energy and forces of Σ_pairs (1 − r/3)²; every fifth energy is unknown."""
    rng = np.random.default_rng(3)
    grid = np.stack(np.meshgrid(*[np.arange(2)] * 3), -1).reshape(-1, 3)
    counts = torch.tensor(rng.integers(3, 6, n))
    x = np.concatenate([1.6 * grid[rng.permutation(8)[:k]] + rng.uniform(-0.2, 0.2, (k, 3)) for k in counts])
    owner = torch.repeat_interleave(torch.arange(n), counts)
    cell, pbc = torch.zeros(n, 3, 3, dtype=torch.float64), torch.zeros(n, 3, dtype=torch.bool)
    numbers = torch.tensor(rng.choice([6, 8], len(x)))
    ids = tuple(f"cluster-{k}" for k in range(n))
    s = Structures(torch.tensor(x).requires_grad_(), numbers, cell, pbc, owner, ids=ids)
    graph = neighbour_graph(s, 3.0)
    pairs = 0.5 * (1 - graph.vectors.square().sum(-1).sqrt() / 3).square()
    energy = torch.zeros(n, dtype=torch.float64).index_add(0, owner[graph.centre], pairs)
    energy = energy - 1000.0 * torch.bincount(owner[numbers == 6], minlength=n)
    (slope,) = torch.autograd.grad(energy.sum(), s.positions)
    energy = torch.where(torch.arange(n) % 5 == 0, torch.nan, energy.detach())
    s = Structures(s.positions.detach(), numbers, cell, pbc, owner, ids=ids)
    return s.with_labels(energy=energy, forces=-slope)


@pytest.fixture(scope="session")
def run(tmp_path_factory) -> Path:
    """The folder of a run that has ended."""
    folder = tmp_path_factory.mktemp("report")
    records = tuple(PropertyRecord.of(PROPERTIES[p]) for p in ("energy", "forces"))
    write_store(folder / "clusters", [clusters(50)], Card(name="clusters", properties=records))
    config = {
        "name": "clusters",
        "data": [
            {
                "name": "clusters",
                "source": str(folder / "clusters"),
                "split": {"kind": "random", "train": 30, "val": 10},
            }
        ],
        "encoder": {"kind": "tfn", "channels": 4, "layers": 1, "l_max": 1, "cutoff": 3.0, "n_radial": 4},
        "objectives": [{"property": "energy"}, {"property": "forces"}],
        "training": {"epochs": 3, "batch": {"structures": 10}, "diagnostics": 0.9},
    }
    train(validate(config), folder / "run", console=Console(quiet=True))
    return folder / "run"
