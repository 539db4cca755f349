"""The page "Say how sure a prediction is": its example runs."""

from __future__ import annotations

import numpy as np
import torch
from my_package.sure import sure

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, records
from atomscape.data.store import write_store
from atomscape.learn.architecture import architecture_of
from atomscape.learn.checkpoint import save_model
from atomscape.learn.model import Model
from atomscape.learn.prepare import prepare
from atomscape.learn.recipe import to_yaml, validate
from atomscape.learn.uncertainty.runs import uncertain_runs


def test_the_example_sorts(tmp_path):
    """What is trusted is not far; gold, which training has never seen, is far; with no σ allowed none is."""
    rng = np.random.default_rng(0)
    parts = [Structures.of(1.5 * rng.normal(size=(4, 3)), [1, 1, 6, 8]) for _ in range(40)]
    labelled = [s.with_labels(gap=torch.tensor([float(s.positions.square().mean())]).double()) for s in parts]
    write_store(
        tmp_path / "data", [Structures.concatenate(labelled)], Card(name="data", properties=records("gap"))
    )
    config = validate(
        {
            "data": [{"name": "data", "source": str(tmp_path / "data")}],
            "encoder": {"kind": "schnet", "channels": 8, "layers": 1, "cutoff": 4.0},
            "objectives": [{"property": "gap", "head": {"kind": "scalar", "hidden": 8}}],
        }
    )
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text(to_yaml(config))
    prepared = prepare(config)
    torch.manual_seed(0)
    save_model(Model(architecture_of(config, prepared.properties)), run / "best.safetensors")
    uncertain_runs([run])
    gold = [Structures.of(s.positions.numpy(), [79, 79, 79, 79]) for s in parts[:5]]
    both = Structures.concatenate(parts[:10] + gold)
    trusted, far = sure(run, both, "gap", 1e9)
    assert set(range(10, 15)) <= set(far)
    assert trusted
    assert set(trusted) & set(far) == set()
    assert sure(run, both, "gap", 0.0)[0] == []
