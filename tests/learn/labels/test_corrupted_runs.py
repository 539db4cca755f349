"""Runs whose data are corrupted as they are drawn: beside whole data, after a stop, and by mistake."""

from __future__ import annotations

import json
import math

import pytest
import torch
from pydantic import ValidationError

from atomscape.data.load import load
from atomscape.learn import train as loop
from atomscape.learn.checkpoint import load_model, read_tensors
from atomscape.learn.config import Dataset
from atomscape.learn.evaluate import evaluate, evaluate_graphs
from atomscape.learn.prepare import prepare
from atomscape.learn.train import train


@pytest.fixture
def broken_and_whole(make_config, tmp_path, store_of, toy_structures):
    """A config that finds atoms in one dataset and learns the gap of another, 2 epochs of 4 batches."""
    data = []
    kinds = {"broken": {"kind": "remove_atoms", "most": 2}, "whole": None}
    for seed, (name, corrupt) in enumerate(kinds.items()):
        store_of(tmp_path / name, toy_structures(24, seed=seed), name)
        split = {"kind": "random", "train": 16, "val": 4}
        data.append({"name": name, "source": str(tmp_path / name), "split": split, "corrupt": corrupt})
    head = {"kind": "complete", "hidden": 4}
    objectives = [
        {"property": "missing_atoms", "dataset": "broken", "head": head},
        {"property": "gap", "dataset": "whole"},
    ]
    encoder = {"kind": "tfn", "l_max": 1, "channels": 4, "layers": 1, "cutoff": 3.0}
    given = {"data": data, "objectives": objectives, "encoder": encoder}
    return make_config(*(f"{key}={json.dumps(value)}" for key, value in given.items()))


NOISE = "{kind: noise_positions, sigma: 0.1%s}"


def noisy(make_config, toy, row, more=""):
    data = f"data=[{{name: toy, source: {toy}, corrupt: {NOISE % more}}}]"
    encoder = "encoder={kind: tfn, l_max: 1, channels: 4, layers: 1, cutoff: 3.0}"
    return make_config(data, encoder, f"objectives=[{row}]")


def test_a_label_that_holds_for_no_structure_is_refused(make_config, toy):
    with pytest.raises(ValueError, match=r"'gap' on 'all': structures are changed .* share: 0\.5"):
        prepare(noisy(make_config, toy, "{property: gap}"))
    for more in (", share: 0.5", ", keep: [gap]"):
        assert prepare(noisy(make_config, toy, "{property: gap}", more)).holds("gap", None)


def test_what_is_made_of_a_kept_label_is_kept(make_config, toy):
    """Also where the label itself is not learned; what is made of a label that is not kept is lost."""
    bounds = "{property: wide, derive: {label: gap, at_least: 4}, head: {kind: classes}}"
    for row in (bounds, f"{{property: gap}}, {bounds}"):
        prepared = prepare(noisy(make_config, toy, row, ", keep: [gap]"))
        drawn = prepared.graphs("train", 3.0, 0.0).drawn([0, 1, 2])
        assert drawn.labels["position_noise"].isfinite().all()
        for name in prepared.properties:
            assert drawn.labels[name].equal(prepared.structures["train"][[0, 1, 2]].labels[name])
    with pytest.raises(ValueError, match=r"'wide' on 'all': structures are changed"):
        prepare(noisy(make_config, toy, f"{{property: energy}}, {bounds}", ", keep: [energy]"))
    with pytest.raises(ValueError, match=r"no label 'energy'"):
        prepare(noisy(make_config, toy, bounds, ", keep: [gap, energy]"))


def test_forces_that_are_no_derivative_cannot_be_kept_either(make_config, toy):
    row, more = "{property: non_conservative_forces}", ", keep: [non_conservative_forces]"
    config = noisy(make_config, toy, row, more)
    with pytest.raises(ValueError, match=r"keep: non_conservative_forces .* first order"):
        prepare(config)
    with pytest.raises(ValueError, match=r"keep: (non_conservative_)?forces .* first order"):
        prepare(noisy(make_config, toy, row, ", keep: [forces]"))


def test_a_stopped_run_goes_on_to_the_same_bits(broken_and_whole, tmp_path, quiet, monkeypatch):
    config, asked = broken_and_whole, {("broken", "missing_atoms"), ("whole", "gap")}
    results = train(config, tmp_path / "at_once", console=quiet)
    for part in ("train", "val", "test"):
        assert {(m.dataset, m.property) for m in results.metrics[part]} == asked
        assert all(math.isfinite(m.mae) for m in results.metrics[part])
    original = loop._step

    def stopping(run, index, done):
        run.stop.asked = run.state.progress.step + 1 == 6
        return original(run, index, done)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_step", stopping)
        assert train(config, tmp_path / "stopped", console=quiet) is None
    train(config, tmp_path / "stopped", resume=True, console=quiet)
    one, other = (read_tensors(tmp_path / k / "last.safetensors")[0] for k in ("at_once", "stopped"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[k], other[k]) for k in one)

    model = load_model(tmp_path / "at_once")
    again = evaluate_graphs(model, prepare(config).graphs("test", model.cutoff, 0.0))[0]
    first = next(m for m in results.metrics["test"] if m.property == "missing_atoms")
    assert first in again  # the test part is corrupted in the same way every time
    (gap,) = evaluate(model, load(str(tmp_path / "whole")), dataset="whole")
    assert gap.property == "gap"


@pytest.mark.parametrize(
    ("corrupt", "message"),
    [
        ({"kind": "remove_atom"}, "remove_atoms"),
        ({"kind": "remove_atoms", "mots": 3}, "most"),
        ({"kind": "remove_atoms", "together": 2}, "together"),
    ],
)
def test_slips_in_a_corruption_are_named(corrupt, message):
    with pytest.raises((ValidationError, LookupError, ValueError), match=message):
        Dataset.model_validate({"name": "a", "source": "a", "corrupt": corrupt})
