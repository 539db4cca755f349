"""The page "Start from a trained model": its config trains, and takes what the page says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, records
from atomscape.data.store import write_store
from atomscape.learn.checkpoint import load_model
from atomscape.learn.recipe import load_config, validate
from atomscape.learn.train import train

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto"
QUIET = Console(quiet=True)
ENCODER = {"kind": "schnet", "channels": 8, "layers": 1, "cutoff": 3.0, "n_radial": 6}


def chains(n: int, hydrogen: float, stiffness: float) -> Structures:
    """Chains of H with springs between neighbours: E = n E0 + Σ ½ k (r − 1)², and its forces."""
    rng, parts = np.random.default_rng(1), []
    for _ in range(n):
        size = int(rng.integers(2, 6))
        x = np.cumsum(1.0 + 0.15 * rng.normal(size=size))
        stretch = np.diff(x) - 1.0
        position, forces = np.zeros((size, 3)), np.zeros((size, 3))
        position[:, 0] = x
        forces[:-1, 0] += stiffness * stretch
        forces[1:, 0] -= stiffness * stretch
        energy = size * hydrogen + 0.5 * stiffness * float((stretch**2).sum())
        parts.append(Structures.of(position, [1] * size, labels={"energy": energy, "forces": forces}))
    return Structures.concatenate(parts)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """``large.xyz`` and ``mine.xyz`` with other springs and other E0, and a run on the first."""
    monkeypatch.chdir(tmp_path)
    for name, hydrogen, stiffness in (("large", -13.6, 4.0), ("mine", -500.0, 1.0)):
        card = Card(name=name, properties=records("energy", "forces"))
        write_store(tmp_path / f"{name}.xyz", [chains(40, hydrogen, stiffness)], card)
    first = {
        "name": "first",
        "data": [{"name": "large", "source": "large.xyz"}],
        "encoder": ENCODER,
        "objectives": [{"property": "energy"}, {"property": "forces", "weight": 10}],
        "training": {"epochs": 2, "batch": {"structures": 8}},
    }
    train(validate(first), tmp_path / "runs" / "first", console=QUIET)
    return tmp_path


FEW = ["training.epochs=2", "sampling.draws=64", "training.batch.structures=8", f"encoder={ENCODER}"]


@pytest.mark.parametrize("option", ["training.freeze=[encoder]", "training.lora={rank: 2, parts: [encoder]}"])
def test_the_config_of_the_page_trains(folder, option):
    """Both heads start from the old one, E0 are those of each level, draws are shared as the page says."""
    rates = [] if "lora" in option else ["training.learning_rates={}"]
    config = load_config(PAGE / "my_package" / "fine_tune.yaml", [*FEW, option, *rates])
    results = train(config, folder / "run", console=QUIET)
    assert results is not None
    assert results.started_from["heads"] == dict.fromkeys(("large:energy", "mine:energy"), "shared:energy")
    e0 = {f["dataset"]: f["references"]["H"] for f in results.fitted if f["references"]}
    assert e0["large"] - e0["mine"] == pytest.approx(486.4, abs=0.5)
    assert results.passes == {"large": pytest.approx(2 * 16 / 32), "mine": pytest.approx(2 * 48 / 32)}
    first, last = (load_model(folder / run).encoder.state_dict() for run in ("runs/first", "run"))
    changed = [k for k in first if not (first[k] == last[k]).all()]
    assert bool(changed) == ("lora" in option)
