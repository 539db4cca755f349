"""Ensembles: mean and spread of the members one by one, in the calculator and where else they are told."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase.build import bulk, molecule
from ase.calculators.fd import calculate_numerical_forces

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.properties import PROPERTIES
from atomscape.data.card import PropertyRecord
from atomscape.learn.architecture import Architecture, HeadRecord
from atomscape.learn.checkpoint import save_model
from atomscape.learn.config import PlugIn
from atomscape.learn.model import Model
from atomscape.learn.uncertainty.calibrate import Scale
from atomscape.learn.uncertainty.ensemble import Ensemble
from atomscape.learn.uncertainty.ensemble_file import save_ensemble
from atomscape.simulate.calculator import Calculator
from atomscape.simulate.checks import check_members
from atomscape.simulate.ensemble import doubt, doubtful, load_runs
from atomscape.simulate.loading import load_potential
from atomscape.simulate.reading import structures_of
from atomscape.simulate.relax import relax


def member(seed: int, cutoff: float = 4.0, elements: tuple[str, ...] = ("H", "O", "Mg")) -> Model:
    options = {"kind": "schnet", "channels": 8, "layers": 1, "cutoff": cutoff, "n_radial": 8}
    energy = PropertyRecord.of(PROPERTIES["energy"])
    head = HeadRecord(dataset="shared", predicts=energy, head=PlugIn(kind="scalar"))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        plug = PlugIn.model_validate(options)
        model = Model(Architecture(encoder=plug, heads=(head,), datasets=("a",), dtype="float64"))
    model.about = {"elements": list(elements)}
    return model.eval()


def magnesia():
    atoms = bulk("MgO", "rocksalt", a=4.2)
    atoms.rattle(0.05, seed=3)
    return atoms


def test_mean_and_spread_of_the_members():
    """Members of different cutoffs serve from one list; forces of the mean are its derivatives."""
    models, images = [member(1), member(2, 3.5), member(3, 3.0)], [magnesia(), molecule("H2O")]
    found = Calculator(models).evaluate(images)
    alone = [Calculator(model).evaluate(images) for model in models]
    for k in range(2):
        for name in ("energy", "forces"):
            values = np.stack([one[k][name] for one in alone])
            np.testing.assert_allclose(found[k][name], values.mean(0), atol=1e-12)
            np.testing.assert_allclose(found[k][f"{name}_sigma"], values.std(0, ddof=1), atol=1e-12)
            assert np.all(found[k][f"{name}_sigma"] > 0) or name == "forces"
    np.testing.assert_allclose(
        found[0]["stress"], np.mean([one[0]["stress"] for one in alone], 0), atol=1e-12
    )
    atoms = images[0]
    atoms.calc = Calculator(models)
    np.testing.assert_allclose(atoms.get_forces(), calculate_numerical_forces(atoms, eps=1e-4), atol=1e-7)
    assert atoms.calc.get_property("energy_sigma", atoms) == pytest.approx(found[0]["energy_sigma"], rel=1e-9)
    assert atoms.get_potential_energies().sum() == pytest.approx(found[0]["energy"], abs=1e-9)
    with pytest.raises(ValueError, match="no uncertainty was fitted that knows distance"):
        Calculator(models).evaluate(images, ["distance"])
    with pytest.raises(ValueError, match="no uncertainty was fitted"):
        Calculator(models, extrapolation="refuse")


def test_scales_of_a_file_are_used(tmp_path):
    models = [member(1), member(2)]
    runs = [tmp_path / name for name in "ab"]
    for run, model in zip(runs, models, strict=True):
        run.mkdir()
        save_model(model, run / "best.safetensors", elements=["Mg", "O"])
    scale = Scale(alpha=3.0, noise=0.25)
    save_ensemble(Ensemble(tuple(models), spread={"energy": scale}), runs, tmp_path)
    image = magnesia()
    bare, scaled = (Calculator(what).evaluate([image])[0] for what in (runs, tmp_path / "ensemble.json"))
    assert scaled["energy"] == bare["energy"]
    assert load_runs(tmp_path).scales == {"energy": scale}
    assert scaled["energy_sigma"] == pytest.approx(3 * np.sqrt(bare["energy_sigma"] ** 2 + 0.25 * 2))
    np.testing.assert_array_equal(scaled["forces_sigma"], bare["forces_sigma"])
    with pytest.raises(ValueError, match="runs 1 and 3 have the same weights, so they cannot disagree"):
        load_runs([*runs, runs[0]])
    assert load_runs([runs[0]]).hash == load_potential(runs[0]).hash != load_runs(runs).hash


def test_what_one_member_does_not_know_is_an_error():
    both = load_runs([member(1), member(2, elements=("Mg",))])
    with pytest.raises(ValueError, match="O was never seen in training"):
        both.check(structures_of([magnesia()]))


def test_doubt_is_the_largest_on_an_atom():
    models, s = [member(1), member(2)], structures_of([magnesia(), molecule("H2O")])
    potential = load_runs(models)
    found = doubt(potential, s)
    sigma = potential(neighbour_graph(s, potential.cutoff), ("forces",))["forces_sigma"]
    lengths = sigma.square().sum(1).sqrt()
    assert found.force.tolist() == [float(lengths[:2].max()), float(lengths[2:].max())]
    assert torch.equal(doubtful(potential)(s).energy, found.energy)
    one = load_potential(models[0])
    assert doubt(one, s) is None
    assert doubtful(one) is None
    assert [c.passed for c in check_members(potential, s[0])] == [None, None]
    assert next(check_members(potential, s[0])).value == pytest.approx(500 * float(found.energy[0]))
    assert list(check_members(one, s[0])) == []


def test_the_mean_is_relaxed():
    models = [member(1), member(2)]
    done = relax(load_runs(models), structures_of([magnesia()]), fmax=1e-4, steps=60)
    mean = np.mean([Calculator(m, tables=False).evaluate([magnesia()])[0]["energy"] for m in models])
    assert float(done.structures.labels["energy"][0]) < mean
