"""The page "Choose an encoder": every encoder is in its table, its config trains on turned structures."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from rich.console import Console

from atomscape.find import available
from atomscape.learn.prepare import prepare
from atomscape.learn.recipe import load_config
from atomscape.learn.train import train

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto"
FEW = ("training.epochs=1", "data.0.limit=24", "encoder.channels=4", "encoder.layers=1")


def test_every_encoder_is_in_the_table():
    named = re.findall(r"^\| \{py:mod\}`(\w+) <atomscape\.encoders\.\1>`", _text(), re.MULTILINE)
    own = {name for name in available("encoders") if not name.endswith("_torch")}  # of other packages
    assert sorted(named) == sorted(own)


def test_the_config_trains_on_structures_that_are_turned_anew(tmp_path):
    config = load_config(PAGE / "my_package" / "turned.yaml", FEW)
    assert train(config, tmp_path / "turned", console=Console(quiet=True)) is not None
    graphs = prepare(config).graphs("train", 4.5, 0.0)
    first, again, later = (graphs.drawn([0, 3], epoch) for epoch in (0, 0, 1))
    assert torch.equal(first.positions, again.positions)
    assert not torch.allclose(first.positions, later.positions)
    assert torch.equal(first.labels["energy"], later.labels["energy"])
    torch.testing.assert_close(first.labels["forces"].norm(dim=1), later.labels["forces"].norm(dim=1))
    assert not torch.allclose(first.labels["forces"], later.labels["forces"])


def _text() -> str:
    return (PAGE / "encoders.md").read_text(encoding="utf-8")
