"""The recipe of missing atoms: its split, its two networks, its targets; and one short run on real data."""

import os

import numpy as np
import pytest

from atomscape.data.splits import index_file_split
from atomscape.learn.experiment import run_experiment
from atomscape.recipes import missing_atom

REAL = pytest.mark.skipif("ATOMSCAPE_DATA" not in os.environ, reason="QM9 is read from ATOMSCAPE_DATA")


def scores(right: float, off: float, nitrogen: float) -> dict:
    """Scores of all parts, as far as the outcome reads them."""

    def value(x: float) -> dict:
        return {"value": x, "count": 10}

    one = {"accuracy": value(right), "distance_mae": value(off)}
    elements = {"N": {"accuracy": value(nitrogen)}, "O": {"accuracy": value(0.9)}}
    return dict.fromkeys(missing_atom.RIGHT, one | {"elements": elements})


@pytest.mark.parametrize(
    ("given", "met"),
    [
        ((0.99, 0.05, 0.9), True),
        ((0.97, 0.05, 0.9), False),  # enough for 19 atoms only
        ((0.99, 0.11, 0.9), False),
        ((0.99, 0.05, 0.8), False),
    ],
)
def test_every_target_counts(given, met):
    assert missing_atom.outcome(scores(*given)).met is met


def test_both_networks_see_the_same_molecules(tmp_path):
    split, Config = tmp_path / "split.json", missing_atom.Config
    ours, theirs = (missing_atom.training(Config(network=n), split) for n in ("tfn", "2018"))
    assert ours.data == theirs.data
    assert ours.training.epochs == theirs.training.epochs == 200
    assert ours.encoder.kind == "tfn"
    assert theirs.encoder.kind.endswith("tfn_2018.network")


@REAL
@pytest.mark.real
def test_a_short_run_on_qm9(tmp_path):
    out = tmp_path / "out"
    outcome = run_experiment("missing_atom", {"epochs": 1, "molecules": 2}, out)
    assert not outcome.met
    assert {v.name for v in outcome.values} >= {"test_19 right", "test_25_29 distance"}
    split = index_file_split(out / "split.json", missing_atom.load("qm9"))
    assert {k: len(v) for k, v in split.items()} == missing_atom.SMALL | dict.fromkeys(
        missing_atom.LARGER, 1000
    )
    counts = np.asarray(missing_atom.load("qm9").counts)
    assert counts[split["train"]].max() <= 18
    assert set(counts[split["test_19"]]) == {19}
    again = run_experiment("missing_atom", {"epochs": 1, "molecules": 2}, out, resume=True)
    assert again.figure == outcome.figure
