"""What is fitted before training is what the data was made of; baselines are what they say."""

from __future__ import annotations

import math

import pytest
import torch
from pydantic import ValidationError

from atomscape.learn.architecture import architecture_of
from atomscape.learn.baselines import baselines
from atomscape.learn.config import Objective
from atomscape.learn.constants.fit import fit_heads
from atomscape.learn.model import Model
from atomscape.learn.prepare import prepare, split_rows


@pytest.fixture
def fit(make_config):
    """``fit(*overrides)``: the model, the loss terms, what was fitted, and the data."""

    def run(*overrides: str):
        config = make_config(*overrides)
        prepared = prepare(config)
        model = Model(architecture_of(config, prepared.properties))
        terms, fitted = fit_heads(config, model, prepared)
        return model, terms, fitted, prepared

    return run


def test_extensive_references_are_recovered(fit):
    model, terms, (fitted,), prepared = fit("objectives=[{property: energy}]")
    head = model.heads["shared:energy"]
    for z, e0 in ((1, -13.6), (6, -1029.0), (8, -2041.0)):
        assert float(head.references[z]) == pytest.approx(e0, abs=0.5)  # the pairs add up to 0.3 eV per atom
    train = prepared.structures["train"]
    e0 = torch.zeros(len(train), dtype=torch.float64).index_add(
        0, train.structure, head.references[train.numbers]
    )
    rest = (train.labels["energy"] - e0) / train.counts
    assert float(head.scale) == pytest.approx(float((rest.square().sum() / 37).sqrt()))
    assert terms[0].scale == float(head.scale)
    assert fitted.as_dict()["references"].keys() == {"H", "C", "O"}


def test_energy_is_scaled_by_forces_where_they_are_learned(fit):
    model, terms, _, prepared = fit("objectives=[{property: energy}, {property: forces}]")
    rms = float(prepared.structures["train"].labels["forces"].square().mean().sqrt())
    assert float(model.heads["shared:energy"].scale) == pytest.approx(rms)
    assert [t.scale for t in terms] == pytest.approx([rms, rms])


@pytest.mark.parametrize(("asked", "expected"), [("spread", None), (0.02, 0.02)])
def test_errors_of_energies_may_have_another_scale(fit, asked, expected):
    (alone,) = fit("objectives=[{property: energy}]")[1]
    energy, forces = fit(f"objectives=[{{property: energy, scale: {asked}}}, {{property: forces}}]")[1]
    assert energy.scale == pytest.approx(expected or alone.scale)
    assert energy.scale < forces.scale


def test_only_energies_are_scaled_by_forces_and_only_where_there_are_some(fit):
    with pytest.raises(ValidationError, match="scale: forces is for the energy"):
        Objective(property="gap", scale="forces")
    with pytest.raises(ValueError, match="needs an objective of the forces"):
        fit("objectives=[{property: energy, scale: forces}]")


def test_energies_of_relaxed_structures_give_the_scale(fit, store_of, toy_structures, tmp_path):
    s = toy_structures(60, seed=1)
    store_of(tmp_path / "s", s.with_labels(energy=s.labels["energy"], forces=1e-4 * s.labels["forces"]))
    model, terms, *_ = fit(
        f"data.0.source={tmp_path / 's'}", "objectives=[{property: energy}, {property: forces}]"
    )
    assert float(model.heads["shared:energy"].scale) == pytest.approx(terms[0].scale)


def test_intensive_mean_and_deviation(fit):
    model, terms, _, prepared = fit()
    gap = prepared.structures["train"].labels["gap"]
    head = model.heads["shared:gap"]
    assert float(head.shift) == pytest.approx(float(gap.mean()))
    assert float(head.scale) == terms[0].scale == pytest.approx(float(gap.std()))
    assert not head.references.any()


def test_intensive_with_a_value_per_element(fit, store_of, toy_structures, tmp_path):
    s = toy_structures(60, seed=1)
    oxygen = torch.zeros(60, dtype=torch.float64).index_add(0, s.structure, (s.numbers == 8).double())
    store_of(tmp_path / "x", s.with_labels(gap=7.0 + 2.0 * oxygen / s.counts))
    source = f"data.0.source={tmp_path / 'x'}"
    assert fit(source)[1][0].scale > 0.3
    model, terms, _, _ = fit(source, "objectives.0.references=true")
    head = model.heads["shared:gap"]
    assert float(head.references[8] - head.references[6]) == pytest.approx(2.0)
    assert float(head.references[1] - head.references[6]) == pytest.approx(0.0, abs=1e-12)
    assert terms[0].scale == 1.0  # nothing is left to learn


def test_fewer_structures_than_elements(fit):
    model, _, _, _ = fit(
        "objectives=[{property: energy}]", "data.0.split={kind: random, train: 2, val: 1, test: 1}"
    )
    assert float(model.heads["shared:energy"].scale) == 1.0


def test_charges_by_element(fit):
    _, _, (fitted,), _ = fit("objectives=[{property: charges}]")
    assert fitted.references == pytest.approx({1: 0.1, 6: 0.0, 8: -0.3})
    assert math.isfinite(fitted.scale)
    assert fitted.scale > 0


def test_unknown_labels_are_left_out_of_the_fit(fit, store_of, toy_structures, tmp_path):
    s = toy_structures(60, seed=1)
    gap = s.labels["gap"].clone()
    gap[::2] = math.nan
    store_of(tmp_path / "half", s.with_labels(gap=gap))
    model, _, (fitted,), prepared = fit(f"data.0.source={tmp_path / 'half'}")
    known = prepared.structures["train"].labels["gap"]
    known = known[known.isfinite()]
    assert fitted.count == len(known) < 40
    assert float(model.heads["shared:gap"].shift) == pytest.approx(float(known.mean()))


def test_heads_of_two_datasets_are_fitted_apart(fit, make_config, toy_crystals):
    base = make_config().data[0]
    toy = f"{{name: toy, source: {base.source}, split: {{kind: random, train: 40, val: 10}}}}"
    crystals = f"{{name: crystals, source: {toy_crystals}, split: {{kind: random, train: 20, val: 8}}}}"
    rows = "objectives=[{property: energy, dataset: toy}, {property: energy, dataset: crystals}]"
    model, _, fitted, _ = fit(f"data=[{toy}, {crystals}]", rows)
    assert set(model.heads) == {"toy:energy", "crystals:energy"}
    assert [f.count for f in fitted] == [40, 20]
    assert not torch.equal(model.heads["toy:energy"].references, model.heads["crystals:energy"].references)


def test_baselines(make_config):
    prepared = prepare(make_config("objectives=[{property: gap}, {property: charges}, {property: forces}]"))
    found = baselines(prepared)
    train, test = prepared.structures["train"], prepared.structures["test"]
    rows = {(b, m.property): m for b in found for m in found[b]["test"]}
    gap = (train.labels["gap"].mean() - test.labels["gap"]).abs().mean()
    assert rows["mean", "gap"].mae == pytest.approx(float(gap))
    assert rows["composition", "charges"].mae == pytest.approx(0, abs=1e-12)
    assert rows["mean", "charges"].mae > 0.05
    forces = test.labels["forces"]
    assert rows["composition", "forces"].mae == pytest.approx(float(forces.abs().mean()))
    assert rows["mean", "forces"].mae == pytest.approx(
        float((train.labels["forces"].mean(0) - forces).abs().mean())
    )
    assert found["composition"]["train"][1].property == "forces"


def test_composition_regression_finds_a_linear_law(make_config, store_of, toy_structures, tmp_path):
    for periodic in (False, True):
        s = toy_structures(60, seed=1, periodic=periodic)
        each = (s.numbers == 6).double() * 2 - (s.numbers == 8).double()
        energy = torch.zeros(60, dtype=torch.float64).index_add(0, s.structure, each)
        gap = energy / s.counts if periodic else energy
        store_of(tmp_path / str(periodic), s.with_labels(energy=energy, gap=gap))
        config = make_config(
            f"data.0.source={tmp_path / str(periodic)}", "objectives=[{property: gap}, {property: energy}]"
        )
        assert all(m.mae < 1e-12 for m in baselines(prepare(config))["composition"]["test"])


def test_composition_gives_what_of_a_tensor_does_not_turn(make_config, store_of, toy_structures, tmp_path):
    s = toy_structures(60, seed=1, periodic=True)
    each = (s.numbers == 6).double() * 2 - (s.numbers == 8).double()
    size = torch.zeros(60, dtype=torch.float64).index_add(0, s.structure, each) / s.counts
    traceless = torch.tensor([[0.3, 0.1, 0], [0.1, -0.2, 0], [0, 0, -0.1]], dtype=torch.float64)
    eye = torch.eye(3, dtype=torch.float64)
    store_of(tmp_path / "s", s.with_labels(dielectric=size.view(-1, 1, 1) * eye + traceless))
    config = make_config(f"data.0.source={tmp_path / 's'}", "objectives=[{property: dielectric}]")
    errors = baselines(prepare(config))["composition"]["test"]
    assert [m.mae for m in errors] == [pytest.approx(float(traceless.abs().mean()))]


def test_splits(make_config, toy):
    from atomscape.data.store import Store

    store = Store.open(toy)

    def rows(*overrides: str):
        return split_rows(make_config(*overrides).data[0], store)

    fractions = rows("data.0.split={kind: random, train: 0.5, val: 0.25}")
    assert {k: len(v) for k, v in fractions.items()} == {"train": 30, "val": 15, "test": 15}
    assert {k: len(v) for k, v in rows("data.0.limit=7").items()} == {"train": 7, "val": 7, "test": 7}
    assert set(rows("data.0.limit=7")["train"]) < set(rows()["train"])
    groups = rows("data.0.split={kind: composition, train: 0.6, val: 0.2}")
    assert sum(len(v) for v in groups.values()) == 60
    formulas = [set(store[v].formulas()) for v in groups.values()]
    assert not formulas[0] & formulas[2]
