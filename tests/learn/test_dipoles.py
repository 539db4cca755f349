"""Dipoles learned in runs: from vectors and from magnitudes alone, of ions, and beside crystals."""

from __future__ import annotations

import json

import pytest
import torch

from atomscape.atoms.properties import PROPERTIES
from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, records
from atomscape.data.store import write_store
from atomscape.learn.checkpoint import load_model
from atomscape.learn.evaluate import predict
from atomscape.learn.prepare import prepare
from atomscape.learn.run_folder import BEST
from atomscape.learn.train import train

CHARGE = {1: 0.2, 6: -0.1, 8: -0.4}


def of_charges(s: Structures) -> Structures:
    """Dipoles of charges that belong to the elements, made to add up to 0 or 1 e alike on all atoms."""
    q = torch.tensor([CHARGE[int(z)] for z in s.numbers], dtype=torch.float64)
    total = (torch.arange(len(s)) % 2).double()
    missing = (total - torch.zeros(len(s)).double().index_add(0, s.structure, q)) / s.counts
    weight = s.numbers.double().unsqueeze(1)
    sums = torch.zeros(len(s), 3).double().index_add(0, s.structure, weight * s.positions)
    centre = sums / torch.zeros(len(s), 1).double().index_add(0, s.structure, weight)
    r = s.positions - centre[s.structure]
    atoms = (q + missing[s.structure]).unsqueeze(1) * r
    dipole = torch.zeros(len(s), 3).double().index_add(0, s.structure, atoms)
    norm = dipole.square().sum(1).sqrt()
    return Structures(
        s.positions, s.numbers, s.cell, s.pbc, s.structure,
        {"dipole": dipole, "dipole_norm": norm, "total_charge": total},
    )  # fmt: skip


def stored(folder, structures: Structures) -> str:
    properties = records(*(PROPERTIES[name] for name in structures.labels))
    write_store(folder, [structures], Card(name=folder.name, properties=properties))
    return str(folder)


@pytest.fixture
def config_of(tmp_path, make_config, toy_structures):
    """A config that learns dipoles of 48 ions and molecules, about the centre of nuclear charge."""
    source = stored(tmp_path / "ions", of_charges(toy_structures(48, seed=3)))

    def make(*overrides: str, name: str = "dipole"):
        data = [{"name": "ions", "source": source, "split": {"kind": "random", "train": 32, "val": 8}}]
        head = {"kind": "dipole", "hidden": 8, "centre": "nuclear_charge"}
        given = {"data": data, "objectives": [{"property": name, "head": head}]}
        return make_config(*(f"{key}={json.dumps(value)}" for key, value in given.items()), *overrides)

    return make


def test_charges_are_found(config_of, tmp_path, quiet):
    results = train(config_of("training.epochs=30"), tmp_path / "run", console=quiet)
    error = results.metrics["test"][-1].rmse
    assert error < 0.2 * results.baselines["mean"]["test"][-1].rmse


def test_the_charge_of_an_ion_reaches_the_head(config_of, tmp_path, quiet, toy_structures):
    """In training it is among the labels; afterwards it makes a difference, and can be left out."""
    config = config_of()
    assert prepare(config).structures["train"].labels["total_charge"].unique().tolist() == [0.0, 1.0]
    train(config, tmp_path / "run", console=quiet)
    model = load_model(tmp_path / "run" / BEST)
    s = of_charges(toy_structures(2, seed=9))
    ((_, with_charge),) = predict(model, s)
    ((_, without),) = predict(model, Structures(s.positions, s.numbers, s.cell, s.pbc, s.structure))
    torch.testing.assert_close(with_charge["dipole"][0], without["dipole"][0])
    assert not torch.allclose(with_charge["dipole"][1], without["dipole"][1])
    blind = {"kind": "dipole", "reads": []}
    config = config_of(f"objectives.0.head={json.dumps(blind)}")
    assert "total_charge" not in prepare(config).structures["train"].labels


def test_labels_of_periodic_structures_are_refused_and_crystals_without_them_are_not(
    config_of, tmp_path, quiet, toy_structures
):
    config = config_of()
    crystals = toy_structures(16, seed=4, periodic=True)
    split = {"kind": "random", "train": 8, "val": 4}
    named = {
        "name": "crystals",
        "source": stored(tmp_path / "crystals", of_charges(crystals)),
        "split": split,
    }
    labelled = [d.model_dump(mode="json") for d in config.data] + [named]
    with pytest.raises(ValueError, match=r"'dipole' on 'all': 8 of 40 .* moving one by a lattice vector"):
        train(config_of(f"data={json.dumps(labelled)}"), tmp_path / "refused", console=quiet)
    gap = crystals.labels["gap"]
    plain = Structures(
        crystals.positions, crystals.numbers, crystals.cell, crystals.pbc, crystals.structure, {"gap": gap}
    )
    named |= {"source": stored(tmp_path / "plain", plain)}
    rows = [config.objectives[0].model_dump(mode="json"), {"property": "gap"}]
    beside = config_of(f"data={json.dumps([labelled[0], named])}", f"objectives={json.dumps(rows)}")
    results = train(beside, tmp_path / "beside", console=quiet)
    assert {(m.dataset, m.property) for m in results.metrics["test"]} == {
        ("ions", "dipole"),
        ("crystals", "gap"),
    }
