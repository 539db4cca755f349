"""Tensors of real structures: after a step of training predictions turn with the structure, exactly."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
import torch
from rich.console import Console

from atomscape.data.load import load
from atomscape.learn.checkpoint import load_model
from atomscape.learn.config import RunConfig
from atomscape.learn.evaluate import predict
from atomscape.learn.recipe import validate
from atomscape.learn.run_folder import BEST
from atomscape.learn.train import train
from atomscape.o3.rotation import random_rotation
from atomscape.testing.compare import compare, rotated, turned_value

REACH = {
    "dipole": {"l_max": 1},
    "polarizability": {"l_max": 2},
    "dielectric": {"l_max": 2},
    "shielding": {"l_max": 2, "parity": "both"},
    "piezoelectric": {"l_max": 3, "parity": "both"},
}
HEADS = {"dipole": {"kind": "dipole", "hidden": 8}}


def config_for(dataset: str, name: str) -> RunConfig:
    head = HEADS.get(name, {"kind": "tensor", "hidden": 8})
    return validate({
        "dtype": "float64",
        "data": [{"name": "d", "source": dataset, "split": {"kind": "random"}, "limit": 4}],
        "encoder": {"kind": "tfn", "channels": 4, "layers": 1, "cutoff": 3.5} | REACH[name],
        "objectives": [{"property": name, "head": head}],
        "training": {"epochs": 1, "batch": {"structures": 4}},
    })  # fmt: skip


CASES = [
    ("tensors:water", "dipole"),
    ("charge_spin:ag3", "dipole"),
    ("tensors:qm7x_polarizability", "polarizability"),
    ("tensors:dielectric", "dielectric"),
    ("tensors:piezoelectric", "piezoelectric"),
    ("shiftml", "shielding"),
]


@pytest.mark.real
@pytest.mark.parametrize(("dataset", "name"), CASES)
def test_predictions_turn_with_the_structure(dataset, name, tmp_path, data_root) -> None:
    train(config_for(dataset, name), tmp_path / "run", console=Console(file=io.StringIO()))
    model, store = load_model(tmp_path / "run" / BEST), load(dataset)
    s = store[:2].to(dtype=torch.float64)
    s = replace(s, labels={k: v for k, v in s.labels.items() if k == "total_charge"})
    R = random_rotation(1, generator=torch.Generator().manual_seed(0))[0]
    ((_, here),) = predict(model, s)
    for Q in (R, -R):
        ((_, there),) = predict(model, rotated(s, Q))
        expected = turned_value(here[name], model.properties[name], Q)
        compare("rotation", dataset, name, expected, there[name], 1e-8)
    assert float(here[name].abs().max()) > 1e-9
