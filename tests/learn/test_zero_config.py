"""Without a config, the labels of the data decide what is learned."""

from __future__ import annotations

import math

import pytest
import torch

from atomscape.atoms.properties import PROPERTIES
from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, records
from atomscape.data.store import write_store
from atomscape.learn.train import train
from atomscape.learn.zero_config import config_for


def only(s: Structures, *names: str) -> Structures:
    return Structures(s.positions, s.numbers, s.cell, s.pbc, s.structure, {k: s.labels[k] for k in names})


def test_energies_make_a_potential(toy_crystals, tmp_path, quiet):
    small = ["encoder={kind: schnet, channels: 8, layers: 1}", "training.epochs=1"]
    config = config_for(str(toy_crystals), small)
    assert [o.property for o in config.objectives] == ["energy", "forces", "stress"]
    results = train(config, tmp_path / "run", console=quiet)
    assert results is not None
    assert {m.property for m in results.metrics["test"]} == {"energy", "forces", "stress"}


def test_otherwise_all_scalars(store_of, toy_structures, tmp_path):
    store_of(tmp_path / "my data", only(toy_structures(20), "gap", "charges"))
    config = config_for(str(tmp_path / "my data"), ["seed=3"])
    assert {o.property for o in config.objectives} == {"gap", "charges"}
    assert (config.name, config.seed) == ("my_data", 3)


def test_labels_that_are_all_unknown_do_not_count(store_of, toy_structures, tmp_path):
    s = toy_structures(20)
    s = s.with_labels(energy=torch.full((20,), math.nan, dtype=torch.float64))
    store_of(tmp_path / "x", only(s, "energy", "gap"))
    assert [o.property for o in config_for(str(tmp_path / "x")).objectives] == ["gap"]


def test_small_sets_train_longer(store_of, toy_structures, tmp_path, toy):
    store_of(tmp_path / "x", toy_structures(12))
    assert config_for(str(tmp_path / "x")).training.epochs == 500 >= config_for(str(toy)).training.epochs


def test_nothing_to_learn(store_of, toy_structures, tmp_path):
    store_of(tmp_path / "few", toy_structures(5))
    with pytest.raises(ValueError, match="5 structures; training needs 10"):
        config_for(str(tmp_path / "few"))
    store_of(tmp_path / "forces", only(toy_structures(20), "forces"))
    with pytest.raises(ValueError, match="no label to learn and no energy; labels with values: forces"):
        config_for(str(tmp_path / "forces"))


def test_tensors_are_learned_with_the_degrees_and_parities_they_need(tmp_path, toy_structures):
    """Velocities belong to a trajectory and a polarization to a choice of quantum; neither is learned."""
    s, g = only(toy_structures(20), "gap"), torch.Generator().manual_seed(0)
    names = ("gap", "polarizability", "piezoelectric", "velocities", "polarization")
    properties = [PROPERTIES[n] for n in names]
    rows = {p.name: s.n_atoms if p.per == "atom" else len(s) for p in properties}
    more = {p.name: torch.randn(rows[p.name], *p.shape, generator=g).double() for p in properties[1:]}
    card = Card(name="tensors", properties=records(*properties))
    write_store(tmp_path / "tensors", [s.with_labels(**more)], card)
    config = config_for(str(tmp_path / "tensors"))
    assert [o.property for o in config.objectives] == ["gap", "polarizability", "piezoelectric"]
    assert (config.encoder.options["l_max"], config.encoder.options["parity"]) == (3, "both")
