"""From and to ASE: round trips, key conventions, and what is refused."""

from __future__ import annotations

import io

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator
from hypothesis import HealthCheck, given, settings

from atomscape.atoms.ase import from_ase, to_ase
from atomscape.atoms.labels import label_map
from atomscape.atoms.properties import PROPERTIES
from atomscape.atoms.stresses import from_voigt, to_voigt
from atomscape.atoms.structures import Structures
from atomscape.testing import cases
from atomscape.testing.strategies import drawn, sketches
from atomscape.units import GPA

some = settings(
    max_examples=20, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


def same(a: Structures, b: Structures) -> bool:
    fields = ("positions", "numbers", "cell", "pbc", "structure")
    return (
        all(torch.equal(getattr(a, k), getattr(b, k)) for k in fields)
        and a.labels.keys() == b.labels.keys()
        and all(torch.allclose(a.labels[k], b.labels[k], atol=1e-12, equal_nan=True) for k in a.labels)
        and a.ids == b.ids
    )


def through_file(images: list[Atoms]) -> list[Atoms]:
    file = io.StringIO()
    ase.io.write(file, images, format="extxyz")
    file.seek(0)
    found = ase.io.read(file, ":", format="extxyz")
    assert isinstance(found, list)
    return found


def every_label(batch: Structures, rng: np.random.Generator) -> Structures:
    """All properties of the vocabulary and two free ones."""
    labels = {}
    for p in PROPERTIES.values():
        rows = batch.n_atoms if p.per == "atom" else len(batch)
        values = 0.1 * rng.normal(size=(rows, *p.shape))
        values = (values + np.swapaxes(values, 1, 2)) / 2 if p.shape == (3, 3) else values
        labels[p.name] = torch.from_numpy(values)
    labels["isolated_atom"] = (batch.counts == 1).double()
    labels["stress"][~batch.pbc.all(1)] = torch.nan
    labels["my_column"] = torch.from_numpy(rng.normal(size=len(batch)))
    labels["my_sites"] = torch.from_numpy(rng.normal(size=(batch.n_atoms, 2)))
    return batch.with_labels(**labels)


@some
@given(sketches)
def test_geometry_round_trip(plan):
    batch = drawn(plan)
    assert same(from_ase(to_ase(batch)), batch)


def test_round_trip_of_every_label(rng):
    batch = every_label(cases.mixed_batch(), rng)
    assert same(from_ase(to_ase(batch)), batch)


def test_round_trip_through_a_file(rng):
    batch = every_label(cases.mixed_batch(), rng)
    found = from_ase(through_file(to_ase(batch)))
    assert found.labels.keys() == batch.labels.keys()
    for name in batch.labels:
        assert torch.allclose(found.labels[name], batch.labels[name], atol=1e-7, equal_nan=True), name
    assert torch.allclose(found.positions, batch.positions, atol=1e-7)


def test_unknown_labels_are_left_out_and_come_back_unknown():
    water = cases.water().with_labels(energy=torch.tensor([-3.0]).double())
    batch = Structures.concatenate([water, cases.ethanol()])
    images = to_ase(batch)
    assert images[1].calc is None
    assert from_ase(images).labels["energy"].isnan().tolist() == [False, True]


def reference_labelled() -> Atoms:
    image = bulk("NaCl", "rocksalt", a=5.6)
    image.info |= {
        "REF_energy": -7.0,
        "REF_virials": np.diag([1.0, 2.0, 3.0]),
        "energy": -1.0,
        "total_charge": 0,
    }
    image.arrays["REF_forces"] = np.array([[0.1, 0, 0], [-0.1, 0, 0]])
    image.arrays["forces"] = np.ones((2, 3))
    image.arrays["charges"] = np.array([1.0, -1.0])
    image.info["note"] = "hello"
    return image


@pytest.mark.parametrize("through", [list, through_file], ids=["memory", "file"])
def test_prefixed_keys_win(through):
    images = through([reference_labelled()])
    found = from_ase(images)
    assert found.labels["energy"].tolist() == [-7.0]
    assert found.labels["forces"].tolist() == [[0.1, 0, 0], [-0.1, 0, 0]]
    assert found.labels["charges"].tolist() == [1, -1]
    assert found.labels["total_charge"].tolist() == [0]
    stress = -torch.diag(torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)) / images[0].cell.volume
    assert torch.allclose(found.labels["stress"][0], stress)
    text = str(label_map(images))
    assert "energy [eV] ← REF_energy (info); known in 1 of 1" in text
    assert "stress [eV/Å³] ← REF_virials (info), σ = −virial/V" in text
    assert "left aside: REF_energy (info) is used for energy" in text
    assert "note (info) left aside: not numbers" in text


def test_one_column_serves_the_whole_file():
    """Where some structures lack the chosen column its label is unknown there, never taken from another."""
    a, b = molecule("H2O"), molecule("CH4")
    a.info |= {"REF_energy": -1.0, "energy": -10.0}
    b.info |= {"energy": -20.0}
    assert from_ase([a, b]).labels["energy"].nan_to_num(7).tolist() == [-1, 7]


def test_calculator_results():
    image = bulk("Cu")
    voigt = np.array([1, 2, 3, 4, 5, 6]) * 1e-3
    image.calc = SinglePointCalculator(
        image, energy=-3.5, free_energy=-3.6, forces=np.zeros((1, 3)), stress=voigt
    )
    found = from_ase(image)
    assert found.labels["energy"].tolist() == [-3.5]
    assert found.labels["stress"][0].tolist() == [[1e-3, 6e-3, 5e-3], [6e-3, 2e-3, 4e-3], [5e-3, 4e-3, 3e-3]]
    assert "free_energy" not in found.labels
    image.calc = SinglePointCalculator(image, free_energy=-3.6)
    assert from_ase(image).labels["energy"].tolist() == [-3.6]


def test_results_of_another_geometry_are_not_labels():
    image = molecule("H2O")
    image.calc = SinglePointCalculator(image, energy=-3.5)
    image.positions += np.eye(3)
    assert from_ase(image).labels == {}


def test_isolated_atoms_and_ids():
    atom = Atoms("H", info={"config_type": "IsolatedAtom", "REF_energy": -13.6, "id": "free H"})
    pair = molecule("H2")
    pair.info |= {"REF_energy": -31.0, "name": "pair", "config_type": "bulk"}
    found = from_ase([atom, pair])
    assert found.labels["isolated_atom"].tolist() == [1, 0]
    assert found.ids == ("free H", "pair")
    assert from_ase(pair).labels.keys() == {"energy"}


def test_other_names_are_understood():
    image = molecule("H2O")
    image.info |= {"charge": 1, "spin": 2, "band_gap": 4.5}
    image.arrays["charge"] = np.array([0.5, 0.25, 0.25])
    image.arrays["magmoms"] = np.array([0.0, 1.0, 2.0])
    found = from_ase(image).labels
    assert found["total_charge"].tolist() == [1]
    assert found["total_spin"].tolist() == [2]
    assert found["gap"].tolist() == [4.5]
    assert found["charges"].tolist() == [0.5, 0.25, 0.25]
    assert found["magnetic_moments"].tolist() == [0, 1, 2]


def test_columns_can_be_named_and_have_units():
    image = bulk("Cu")
    image.info |= {"my_e": -1.0, "energy": -9.0, "sigma": np.diag([16.0, 1, 1]), "hardness": 3}
    told = label_map(
        [image],
        keys={"energy": "my_e", "stress": "sigma", "mohs": "info:hardness"},
        units={"energy": "kcal/mol", "stress": "GPa"},
        stress="compression",
    )
    found = from_ase(image, told).labels
    assert float(found["energy"]) == pytest.approx(-0.0433641, rel=1e-5)
    assert found["stress"][0].diagonal().tolist() == pytest.approx([-16 * GPA, -GPA, -GPA])
    assert found["mohs"].tolist() == [3]
    assert "hardness" not in found
    assert "× 0.0433641" in str(told)


def test_a_stated_unit_is_used():
    image = bulk("Cu")
    image.info |= {"REF_energy": -2.0, "energy_unit": "kcal/mol", "stress": np.eye(3), "stress_unit": "GPa"}
    found = from_ase(image).labels
    assert float(found["energy"]) == pytest.approx(-2 * 0.0433641, rel=1e-5)
    assert float(found["stress"][0, 0, 0]) == pytest.approx(GPA)
    image.info["stress_unit"] = "eV/A^3"
    assert float(from_ase(image).labels["stress"][0, 0, 0]) == 1.0
    image.info |= {"hardness": 3.0, "hardness_unit": "GPa"}
    assert label_map([image]).properties["hardness"].unit == "GPa"
    image.info["stress_unit"] = "furlong"
    with pytest.raises(ValueError, match="furlong"):
        from_ase(image)
    other = bulk("Cu")
    other.info |= {"REF_energy": -2.0, "energy_unit": "eV"}
    with pytest.raises(
        ValueError, match=r"energy_unit \(info\) states the unit of 'energy' in 2 structures of 2, as"
    ):
        from_ase([image, other])


def test_columns_of_a_database_row():
    """``row.toatoms(add_additional_information=True)`` keeps them one level down."""
    image = molecule("H2O")
    data = {
        "energy": np.array([-3.0]),
        "forces": np.ones((3, 3)),
        "modes": np.ones((3, 2)),
        "cell_of": np.ones(3),
    }
    image.info |= {"unique_id": "abc", "key_value_pairs": {"gap": 1.5, "method": "pbe"}, "data": data}
    found = from_ase(image)
    assert found.labels["energy"].tolist() == [-3]
    assert found.labels["gap"].tolist() == [1.5]
    assert found.labels["forces"].shape == (3, 3)
    assert found.runs_over_atoms("modes")
    assert not found.runs_over_atoms("cell_of")


def test_an_alias_of_another_shape_is_another_thing():
    image = molecule("H2O")
    image.info |= {"dipole_moment": np.array([0.5])}
    assert from_ase(image).labels["dipole_moment"].shape == (1, 1)
    image.info |= {"dipole_moment": np.array([0.5, 0, 1]), "dipole_moment_unit": "eAng"}
    assert from_ase(image).labels["dipole"].tolist() == [[0.5, 0, 1]]
    image.info |= {"dipole": 0.5}
    with pytest.raises(ValueError, match="column 'dipole' does not fit 'dipole'"):
        from_ase(image)


def test_a_column_or_property_that_is_not_there():
    image = molecule("H2O")
    image.info["dft_enrgy"] = -1.0
    with pytest.raises(LookupError, match=r"no column 'dft_energy'.*did you mean 'dft_enrgy'"):
        label_map([image], keys={"energy": "dft_energy"})
    with pytest.raises(LookupError, match=r"no property called 'enrgy'.*did you mean 'energy'"):
        label_map([image], units={"enrgy": "eV"})


def with_stress(value, **others) -> list[Atoms]:
    image = bulk("NaCl", "rocksalt", a=5.6)
    image.info |= {"REF_stress": np.asarray(value), **others}
    return [image]


def test_large_stress_is_refused_unless_its_unit_is_told():
    images = with_stress(np.diag([12.0, 10.0, 9.0]))
    with pytest.raises(ValueError, match=r"REF_stress \(info\): typically 12.*units=\{'stress': 'GPa'\}"):
        from_ase(images)
    found = from_ase(images, label_map(images, units={"stress": "GPa"})).labels["stress"]
    assert float(found[0, 0, 0]) == pytest.approx(12 * GPA)
    assert (
        float(from_ase(images, label_map(images, units={"stress": "eV/Å³"})).labels["stress"][0, 0, 0]) == 12
    )


def test_stress_and_virial_must_agree():
    stress = 1e-2 * np.array([[1, 0.2, 0], [0.2, 2, 0.1], [0, 0.1, -1]])
    volume = bulk("NaCl", "rocksalt", a=5.6).cell.volume
    from_ase(with_stress(stress, REF_virial=-stress * volume))
    with pytest.raises(ValueError, match="opposite signs"):
        from_ase(with_stress(stress, REF_virial=stress * volume))
    with pytest.raises(ValueError, match="GPa against eV/Å³"):
        from_ase(with_stress(stress / GPA / 1000, REF_virial=-stress / 1000 * volume))
    images = with_stress(stress, REF_virial=stress * volume)
    found = from_ase(images, label_map(images, stress="tension")).labels["stress"][0]
    assert torch.allclose(found, torch.from_numpy(stress))


@pytest.mark.parametrize("form", [lambda s: s, lambda s: s.reshape(9), to_voigt], ids=["3x3", "9", "6"])
def test_stress_in_every_form(form):
    stress = 1e-2 * np.array([[1, 0.2, 0.3], [0.2, 2, 0.1], [0.3, 0.1, -1]])
    assert np.allclose(from_ase(with_stress(form(stress))).labels["stress"][0], stress)


def test_voigt_order_is_ases(rng):
    from ase.stress import full_3x3_to_voigt_6_stress, voigt_6_to_full_3x3_stress

    v = rng.normal(size=6)
    assert np.array_equal(from_voigt(v), voigt_6_to_full_3x3_stress(v))
    assert np.allclose(to_voigt(from_voigt(v)), full_3x3_to_voigt_6_stress(from_voigt(v)))


def test_stress_needs_a_volume():
    image = molecule("H2O")
    image.info["REF_stress"] = np.zeros((3, 3))
    assert bool(from_ase(image).labels["stress"].isnan().all())


def test_open_directions_have_no_cell():
    image = Atoms("C", cell=[3.0, 3.0, 20.0], pbc=(True, True, False))
    assert from_ase(image).cell[0].tolist() == [[3, 0, 0], [0, 3, 0], [0, 0, 0]]


def test_columns_of_varying_shape_are_left_aside():
    a, b = molecule("H2O"), molecule("CH4")
    a.info["spectrum"], b.info["spectrum"] = np.ones(3), np.ones(4)
    assert from_ase([a, b]).labels == {}
    assert "spectrum (info) left aside: its shape differs" in str(label_map([a, b]))


def test_a_label_of_the_wrong_shape():
    image = molecule("H2O")
    image.arrays["REF_forces"] = np.zeros((3, 2))
    with pytest.raises(ValueError, match=r"structure 0: column 'REF_forces' does not fit 'forces'.*\(3, 3\)"):
        from_ase(image)


def test_ill_formed_structures_are_refused():
    with pytest.raises(ValueError, match="atomic number 0"):
        from_ase(Atoms("XH", positions=np.eye(3)[:2]))
    with pytest.raises(ValueError, match="finite"):
        from_ase(Atoms("H", positions=[[np.nan, 0, 0]]))
    with pytest.raises(ValueError, match=r"singular.*or set pbc to F"):
        from_ase(Atoms("H", pbc=True))
    mixed = bulk("Cu")
    mixed.info["occupancy"] = {"0": {"Cu": 0.5, "Au": 0.5}}
    with pytest.raises(ValueError, match="structure 1 is disordered"):
        from_ase([bulk("Cu"), mixed])


def test_nothing():
    assert len(from_ase([])) == 0
    assert to_ase(Structures.empty()) == []
    assert str(label_map([])) == "no labels"
