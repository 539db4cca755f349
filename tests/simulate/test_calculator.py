"""The calculator: what the model says, in ASE's words; exact tables; heads, elements, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress

from atomscape.atoms.ase import to_ase
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.properties import PROPERTIES
from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, PropertyRecord, records
from atomscape.data.store import write_store
from atomscape.learn.architecture import Architecture, HeadRecord, architecture_of
from atomscape.learn.checkpoint import save_model
from atomscape.learn.config import PlugIn
from atomscape.learn.model import Model
from atomscape.learn.prepare import prepare
from atomscape.learn.recipe import to_yaml, validate
from atomscape.learn.uncertainty.runs import uncertain_runs
from atomscape.simulate.calculator import Calculator
from atomscape.simulate.reading import structures_of

TFN = {"kind": "tfn", "l_max": 1, "channels": 4, "layers": 2, "cutoff": 4.0, "radial_hidden": 8}


def model_of(*names: str, datasets=("a",), own: bool = False, dtype="float32", **encoder) -> Model:
    """Random weights with references of H, O, Mg and Cu."""
    heads = [
        HeadRecord(
            dataset="shared" if len(datasets) == 1 or own else d,
            predicts=PropertyRecord.of(PROPERTIES[name]),
            head=PlugIn(kind="tensor" if name == "dipole" else "scalar"),
            own_references=own,
        )
        for name in names or ("energy",)
        for d in (datasets if not own else ("shared",))
    ]
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = Model(
            Architecture(
                encoder=PlugIn.model_validate(TFN | encoder),
                heads=tuple(heads),
                datasets=datasets,
                dtype=dtype,
            )
        )
    for k, head in enumerate(h for key, h in model.heads.items() if key.endswith(":energy")):
        for z, e in ((1, -13.0), (8, -430.0), (12, -50.0), (29, -40.0)):
            head.references[z] = e + 100 * k
        head.scale.fill_(3.0)
    return model.eval()


def magnesia(strain: float = 0.02) -> Atoms:
    atoms = bulk("MgO", "rocksalt", a=4.2)
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain * np.arange(9).reshape(3, 3) / 9), scale_atoms=True)
    atoms.rattle(0.05, seed=3)
    return atoms


def test_it_says_what_the_model_says():
    """A crystal and a molecule, alone and in a batch; structures with labels of their own stay so."""
    model = model_of()
    calculator = Calculator(model, tables=False)
    water = molecule("H2O")
    water.info["energy"], water.arrays["forces"] = 7.0, np.ones((3, 3))
    before = water.copy()
    images = [magnesia(), water]
    batch = calculator.evaluate(images, ["energies"])
    for atoms, together in zip(images, batch, strict=True):
        s = structures_of([atoms])
        expected = model(neighbour_graph(s, model.cutoff), derivatives=("forces", "stress"))
        atoms.calc = calculator
        assert atoms.get_potential_energy() == pytest.approx(float(expected["energy"]), abs=1e-5)
        np.testing.assert_allclose(atoms.get_forces(), expected["forces"], atol=1e-5)
        np.testing.assert_allclose(together["forces"], atoms.get_forces(), atol=1e-5)
        assert together["energy"] == pytest.approx(atoms.get_potential_energy(), abs=1e-5)
        assert together["energies"].sum() == pytest.approx(together["energy"], abs=1e-9)
        np.testing.assert_allclose(atoms.get_potential_energies(), together["energies"], atol=1e-5)
        assert atoms.get_potential_energy(force_consistent=True) == atoms.get_potential_energy()
    assert batch[0]["stress"].shape == (6,)
    assert "stress" not in batch[1]
    assert water.info == before.info
    assert (water.arrays["forces"] == 1).all()
    assert model.dtype == torch.float32
    assert all(p.requires_grad for p in model.parameters())


def test_forces_and_stress_are_derivatives_in_float64():
    atoms = magnesia()
    atoms.calc = Calculator(model_of(), dtype="float64")
    forces, stress = atoms.get_forces(), atoms.get_stress()
    np.testing.assert_allclose(forces, calculate_numerical_forces(atoms, eps=1e-4), atol=1e-6)
    np.testing.assert_allclose(stress, calculate_numerical_stress(atoms, eps=1e-5), atol=1e-7)
    assert np.abs(forces).max() > 1e-3


@pytest.mark.parametrize(("dtype", "close"), [("float32", 1e-6), ("float64", 1e-9)])
def test_tables_change_nothing_that_matters(dtype, close):
    model, atoms = model_of(), magnesia()
    found = [Calculator(model, dtype=dtype, tables=t).evaluate([atoms])[0] for t in (True, False)]
    assert found[0]["energy"] == pytest.approx(found[1]["energy"], abs=close * len(atoms))
    np.testing.assert_allclose(found[0]["forces"], found[1]["forces"], atol=30 * close)
    np.testing.assert_allclose(found[0]["stress"], found[1]["stress"], atol=close)
    assert not np.array_equal(found[0]["forces"], found[1]["forces"])


def test_datasets_have_energies_of_their_own():
    model = model_of(datasets=("a", "b"))
    water = molecule("H2O")
    low, high = (Calculator(model, dataset=d).evaluate([water])[0]["energy"] for d in "ab")
    assert abs(high - low - 300) < 50
    with pytest.raises(LookupError, match="say whose to use: dataset='a'"):
        Calculator(model)
    with pytest.raises(LookupError, match=r"no dataset 'c'.*Known: a, b"):
        Calculator(model, dataset="c")
    shared = model_of(datasets=("a", "b"), own=True)
    shared.own_references["shared:energy"].table[1, 8] = 1000.0
    of_a, of_b = (Calculator(shared, dataset=d).evaluate([water])[0] for d in "ab")
    assert of_b["energy"] - of_a["energy"] == pytest.approx(1000.0, abs=1e-4)
    with pytest.raises(LookupError, match="say whose to use"):
        Calculator(shared)


def test_what_training_has_never_seen_is_an_error():
    calculator = Calculator(model_of())
    with pytest.raises(ValueError, match=r"C was never seen in training.*trained on H, O, Mg, Cu"):
        calculator.get_potential_energy(molecule("CO"))
    model = model_of()
    model.about = {"elements": ["C", "O"]}
    with pytest.raises(ValueError, match="H was never seen"):
        Calculator(model).evaluate([molecule("CO"), molecule("H2O")])


def test_what_is_no_potential():
    with pytest.raises(ValueError, match="predicts gap; a simulation needs a model trained on energy"):
        Calculator(model_of("gap"))
    with pytest.raises(ValueError, match=r"dtype 'float16' asked for"):
        Calculator(model_of(), dtype="float16")
    with pytest.raises(ValueError, match="no such file"):
        Calculator("nowhere.safetensors")
    with pytest.raises(ValueError, match="no uncertainty was fitted"):
        Calculator(model_of(), uncertainty=True)


def test_it_says_how_sure_it_is(tmp_path):
    """σ and distance of a run whose uncertainty was fitted; gold, far from all it has seen, is refused."""
    rng = np.random.default_rng(0)
    parts = [Structures.of(1.5 * rng.normal(size=(4, 3)), [1, 1, 8, 79]) for _ in range(40)]
    parts = [s.with_labels(energy=s.positions.square().mean().reshape(1)) for s in parts]
    write_store(
        tmp_path / "data", [Structures.concatenate(parts)], Card(name="d", properties=records("energy"))
    )
    encoder = {"kind": "schnet", "channels": 8, "layers": 1, "cutoff": 4.0}
    objective = {"property": "energy", "head": {"kind": "scalar", "hidden": 8}}
    data = {"name": "d", "source": str(tmp_path / "data")}
    config = validate({"data": [data], "encoder": encoder, "objectives": [objective]})
    (tmp_path / "config.yaml").write_text(to_yaml(config))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Model(architecture_of(config, prepare(config).properties))
    save_model(model, tmp_path / "best.safetensors", elements=["H", "O", "Au"])
    uncertain_runs([tmp_path])
    calculator, (near,) = Calculator(tmp_path, uncertainty=True), to_ase(parts[0])
    found = calculator.evaluate([near], ["forces_sigma"])[0]
    assert found["energy_sigma"] > 0
    assert found["forces_sigma"].shape == (4, 3)
    far = Atoms("Au4", positions=near.positions)
    assert calculator.evaluate([far])[0]["distance"] > 1 > calculator.evaluate([near])[0]["distance"] - 1e-6
    near.calc = Calculator(tmp_path, dtype="float64")
    near.get_potential_energy()
    assert "distance" not in near.calc.results
    assert near.calc.get_property("distance", near) == pytest.approx(found["distance"], rel=1e-3)
    least = min((to_ase(s)[0] for s in parts), key=lambda a: calculator.evaluate([a])[0]["distance"])
    far.calc = Calculator(tmp_path, extrapolation="refuse")
    with pytest.raises(ValueError, match="times as far as any that the model was trained on"):
        far.get_potential_energy()
    with pytest.raises(ValueError, match=r"structure 1 is .* most so at atom [0-3]; what"):
        far.calc.evaluate([least, far])


def test_labels_that_the_network_reads_count_as_changes():
    model = model_of(inputs=[{"label": "total_charge"}])
    calculator, water = Calculator(model), molecule("H2O")
    water.info["total_charge"] = 0.0
    water.calc = calculator
    neutral = water.get_potential_energy()
    water.info["total_charge"] = 1.0
    charged = water.get_potential_energy()
    assert abs(charged - neutral) > 1e-4
    assert water.get_potential_energy() == charged
    del water.info["total_charge"]
    with pytest.raises(ValueError, match="reads the label 'total_charge'"):
        water.get_potential_energy()


def test_other_properties_come_along():
    water = molecule("H2O")
    water.calc = Calculator(model_of("energy", "dipole"))
    assert water.get_dipole_moment().shape == (3,)


def test_neighbours_serve_again_and_results_do_not_show_it():
    a, b = Calculator(model_of(), skin=0.0), Calculator(model_of(), skin=1.0)
    atoms = magnesia() * (2, 1, 1)
    for _ in range(4):
        atoms.rattle(0.02, seed=5)
        assert np.array_equal(a.get_forces(atoms), b.get_forces(atoms))
    assert (a.skin.searches, b.skin.searches) == (4, 1)
