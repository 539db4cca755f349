"""What is kept of a run's predictions is what its model predicts, with units."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from atomscape.data.store import Store
from atomscape.learn.checkpoint import load_model
from atomscape.learn.evaluate import predict
from atomscape.learn.predictions import read_predictions
from atomscape.learn.train import train


def test_predictions_of_val_and_test_are_kept(make_config, tmp_path, quiet, toy):
    config = make_config("objectives=[{property: energy}, {property: forces}]", "training.epochs=1")
    train(config, tmp_path / "run", console=quiet)
    table = read_predictions(tmp_path / "run")
    assert table is not None
    assert table["part"].to_pylist() == ["val"] * 10 + ["test"] * 10
    assert table.schema.field("forces_predicted").metadata[b"unit"] == "eV/Å".encode()
    rows = table["row"].to_pylist()
    assert len(set(rows)) == 20
    found = list(predict(load_model(tmp_path / "run"), Store.open(toy), rows))
    energy = torch.cat([p["energy"] for _, p in found]).numpy()
    assert np.asarray(table["energy_predicted"]) == pytest.approx(energy, rel=1e-6)
    forces = torch.cat([p["forces"] for _, p in found]).flatten().numpy()
    kept = np.concatenate(table["forces_predicted"].to_pylist())
    assert kept == pytest.approx(forces, abs=1e-5)
    labels = np.concatenate([s.labels["energy"] for s, _ in found])
    assert (np.asarray(table["energy"]) == labels).all()
    assert table["numbers"].to_pylist()[0] == found[0][0].numbers[: len(table["numbers"][0])].tolist()
    assert read_predictions(tmp_path / "run", "test").num_rows == 10
    assert read_predictions(tmp_path) is None
