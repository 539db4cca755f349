"""The weight average and the learning rate follow their formulas; writes are atomic."""

from __future__ import annotations

import os

import pytest
import torch
from torch import nn

from atomscape.learn import checkpoint
from atomscape.learn.ema import Average
from atomscape.learn.schedule import warm_up_cosine


def test_average_follows_its_recursion():
    module = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        module.weight.fill_(0.0)
    average, expected = Average(module, 0.5), 0.0
    for step in range(1, 40):
        with torch.no_grad():
            module.weight.fill_(float(step))
        average.update(module, step)
        keep = min(0.5, step / (step + 10))
        expected = keep * expected + (1 - keep) * step
    assert float(average.values["weight"]) == pytest.approx(expected, rel=1e-6)
    with average.inside(module):
        assert module.weight.item() == average.values["weight"].item()
    assert module.weight.item() == 39.0


def test_decay_zero_keeps_the_newest():
    module = nn.Linear(2, 2)
    average = Average(module, 0.0)
    with torch.no_grad():
        module.weight.add_(1)
    average.update(module, 1)
    assert torch.equal(average.values["weight"], module.weight)


def test_learning_rate():
    rates = [warm_up_cosine(i / 1000, 0.1, 0.01) for i in range(1, 1001)]
    assert rates[49] == pytest.approx(0.5)
    assert max(rates) == pytest.approx(1.0)
    assert rates.index(max(rates)) == pytest.approx(99, abs=1)
    assert rates[549] == pytest.approx(0.505)
    assert rates[-1] == pytest.approx(0.01)
    assert warm_up_cosine(0.001, 0.0, 0.0) == pytest.approx(1.0, abs=1e-4)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "x"
    checkpoint.write_atomic(path, b"old")

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        OSError, match=r"cannot write .*No space left on device; the former file is untouched"
    ):
        checkpoint.write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
