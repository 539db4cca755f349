"""The page "Learn from several datasets": its config trains, its grouping groups."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from my_package import size
from rich.console import Console

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, records
from atomscape.data.grouping import groups_of
from atomscape.data.load import load
from atomscape.data.store import write_store
from atomscape.find import find
from atomscape.learn.recipe import load_config
from atomscape.learn.train import train

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto"


@pytest.fixture
def levels(tmp_path, monkeypatch):
    """Stores ``low.xyz`` and ``high.xyz``: clusters with energies that differ by a number per element."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name, hydrogen in (("low", -13.6), ("high", -500.0)):
        parts = []
        for k in range(40):
            n = int(rng.integers(2, 7))
            numbers = np.r_[np.ones(n, int), 6 * np.ones(1 + k % 5, int)]
            s = Structures.of(1.5 * rng.normal(size=(len(numbers), 3)), numbers)
            pairs = neighbour_graph(s, 3.0).n_edges
            labels = {
                "energy": hydrogen * n - 0.1 * pairs,
                "forces": np.zeros((len(numbers), 3)),
                "gap": 1.0 * n,
            }
            parts.append(s.with_labels(**Structures.of(s.positions, numbers, labels=labels).labels))
        card = Card(name=name, properties=records("energy", "forces", "gap"))
        write_store(tmp_path / f"{name}.xyz", [Structures.concatenate(parts)], card)
    return tmp_path


def test_the_config_of_the_page_trains(levels):
    """Own references, weights and stable groups in one run."""
    few = [
        f"data.{d}.split.{part}={share}" for d in (0, 1) for part, share in (("train", 0.5), ("val", 0.25))
    ]
    few += ["training.epochs=2", "sampling.draws=24"]
    config = load_config(PAGE / "my_package" / "two_levels.yaml", few)
    results = train(config, levels / "run", console=Console(quiet=True))
    assert results is not None
    assert results.passes["low"] == pytest.approx(2 * 8 / results.counts["low"]["train"], abs=1e-3)
    own = results.fitted[0]["references_by_dataset"]
    assert own["low"]["H"] - own["high"]["H"] == pytest.approx(486.4, abs=1.0)
    assert not [leak for leak in results.leaks if leak["serious"]]


def test_the_grouping_of_the_page():
    """Found by its dotted path, it names ranges of sizes."""
    sample = load("sample")[:50]
    assert find("data.groups", "my_package.size") is size
    groups = groups_of(sample, "my_package.size")
    assert set(groups.names) <= {"1-10", "11-20", "21-30"}
    assert all(
        groups.names[g] == f"{10 * ((n - 1) // 10) + 1}-{10 * ((n - 1) // 10) + 10}"
        for g, n in zip(groups.of, sample.counts.tolist(), strict=True)
    )
    assert torch.equal(sample[0].numbers, sample.numbers[: sample.counts[0]])
