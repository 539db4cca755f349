"""Each slip planted in clean data is found by its check, in its rows; clean data are silent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from ase.build import bulk, make_supercell, molecule
from hypothesis import given, settings
from hypothesis import strategies as st

from atomscape.atoms.ase import from_ase
from atomscape.atoms.properties import free_property
from atomscape.atoms.structures import Structures
from atomscape.data.audit import audit, check_names
from atomscape.data.check import Check, Finding
from atomscape.data.examined import Examined
from atomscape.find import find
from atomscape.testing import cases
from atomscape.units import BOHR, HARTREE, KBAR, KCAL_PER_MOL

from .audited import copper, molecules


def findings(data, check: str, **options) -> list[Finding]:
    """What one check says, after those that come first."""
    return [f for f in audit(data, checks=[check], **options).findings if f.check == check]


def only(data, check: str, **options) -> Finding:
    (found,) = findings(data, check, **options)
    return found


def with_label(name: str, row, value, batch: Structures | None = None) -> Structures:
    batch = molecules() if batch is None else batch
    values = batch.labels[name].clone()
    values[row] = value
    return batch.with_labels(**{name: values})


def scaled(batch: Structures, **factors: float) -> Structures:
    return batch.with_labels(**{name: batch.labels[name] * f for name, f in factors.items()})


@pytest.mark.parametrize("name", check_names())
def test_every_check_offers_what_a_check_must(name) -> None:
    module = find("data.checks", name)
    assert isinstance(module, Check)
    assert module.question.endswith("?")
    assert list(module.run(Examined.of(cases.water()))) == [], (
        "one molecule without labels is no reason to speak"
    )


@pytest.mark.parametrize("data", [molecules(), copper()], ids=["molecules", "copper"])
def test_clean_data_are_silent(data) -> None:
    assert [str(f) for f in audit(data).findings] == []


def test_clean_crystals_are_silent() -> None:
    crystals = from_ase([bulk("Cu"), bulk("Si"), bulk("NaCl", "rocksalt", a=5.64), bulk("Cs")])
    assert audit(crystals).findings == ()


# --- structures ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("batch", "text"),
    [
        (replace(cases.fcc(), cell=torch.zeros(1, 3, 3).double()), "cell is zero"),
        (replace(cases.fcc(), cell=torch.ones(1, 3, 3).double()), "not independent"),
        (replace(cases.water(), numbers=torch.tensor([8, 1, 0])), "atomic numbers outside"),
        (replace(cases.water(), positions=torch.full((3, 3), torch.nan).double()), "not finite"),
    ],
    ids=["no cell", "singular", "element", "infinite"],
)
def test_ill_formed(batch, text) -> None:
    whole = Structures.concatenate([molecules()[:5], replace(batch, labels={}, ids=()), molecules()[5:9]])
    found = only(whole, "well_formed")
    assert (found.severity, found.rows) == ("serious", (5,))
    assert text in found.evidence
    assert audit(whole).serious, "the other checks run on what is left"


def test_structures_of_no_atoms_alone() -> None:
    assert audit(Structures.empty()).findings == ()


@pytest.mark.parametrize(("unit", "factor"), [("Bohr", BOHR), ("nm", 10.0), ("m", 1e10), ("pm", 0.01)])
@pytest.mark.parametrize("data", [molecules(), copper()], ids=["molecules", "copper"])
def test_length_units(data, unit, factor) -> None:
    wrong = replace(data, positions=data.positions / factor, cell=data.cell / factor, labels={})
    found = only(wrong, "length_unit")
    assert found.severity == "serious"
    assert f"lengths are in {unit}" in found.evidence
    assert found.correction is not None
    assert found.correction.edit is not None
    torch.testing.assert_close(found.correction.edit(wrong).positions, data.positions)


def test_fractional_coordinates() -> None:
    data = replace(copper(), labels={})
    fractions = torch.einsum("ai,aij->aj", data.positions, torch.linalg.inv(data.cell)[data.structure]) % 1.0
    found = only(replace(data, positions=fractions), "fractional")
    assert found.severity == "serious"
    assert found.rows == tuple(range(len(data)))
    some = torch.where((data.structure < 4)[:, None], fractions, data.positions)
    assert only(replace(data, positions=some), "fractional").rows == (0, 1, 2, 3)
    assert not any(f.check == "length_unit" for f in audit(replace(data, positions=fractions)).findings)


@settings(max_examples=10, deadline=None)
@given(row=st.integers(0, 59), apart=st.floats(0.06, 0.45))
def test_close_atoms(row, apart) -> None:
    batch = molecules()
    x = batch.positions.clone()
    a = int(batch.offsets[row])
    x[a + 1] = x[a] + torch.tensor([apart, 0.0, 0.0]).double()
    found = findings(replace(batch, positions=x, labels={}), "distances")
    assert row in found[0].rows
    assert "closer than 0.5 Å" in found[0].evidence


def test_tight_and_coinciding_atoms() -> None:
    copper_like = from_ase([bulk("Cu", a=1.8)] + [bulk("Cu")] * 9)
    assert "half the sum of their covalent radii" in only(copper_like, "distances").evidence
    x = molecules().positions.clone()
    x[1] = x[0]
    found = findings(replace(molecules(), positions=x), "distances")[0]
    assert (found.severity, found.rows) == ("serious", (0,))


def test_volumes_and_hands() -> None:
    loose = from_ase(bulk("Cu", cubic=True))
    tall = replace(loose, cell=loose.cell * torch.tensor([1.0, 1.0, 20.0]).double()[:, None])
    found = only(tall, "cells")
    assert found.severity == "note"
    assert "vacuum inside the cell" in found.evidence
    mirrored = replace(loose, cell=loose.cell[:, [1, 0, 2]])
    assert "left-handed" in only(mirrored, "cells").evidence


def test_elements_met_once() -> None:
    numbers = molecules().numbers.clone()
    numbers[0] = 16
    found = only(replace(molecules(), numbers=numbers, labels={}), "rare_elements")
    assert (found.rows, found.severity) == ((0,), "note")
    assert "S" in found.evidence


# --- twice --------------------------------------------------------------------------------------------------


def test_repeats() -> None:
    batch = molecules()
    shifted = replace(batch[4], positions=batch[4].positions + 1.0)
    found = only(Structures.concatenate([batch, shifted]), "repeats")
    assert found.rows == (60,)
    assert found.correction is not None
    assert found.correction.rows == (60,)
    other = Structures.concatenate([batch, batch[4].with_labels(energy=batch.labels["energy"][4:5] + 0.5)])
    first, second = findings(other, "repeats")
    assert "another energy" in second.evidence
    assert first.correction is None, "which of the two energies is right is not certain"


def test_the_same_crystal_in_another_guise() -> None:
    crystal = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    crystal.positions += 0.1 * np.random.default_rng(1).normal(size=crystal.positions.shape)
    sheared = make_supercell(crystal, [[1, 1, 0], [0, 1, 0], [0, 0, 2]])
    sheared.rotate(40, (1, 2, 3), rotate_cell=True)
    batch = from_ase([crystal, bulk("NaCl", "rocksalt", a=5.64), sheared])
    assert only(batch, "duplicates").rows == (2,)
    assert findings(batch, "repeats") == []
    different = batch.with_labels(energy=torch.tensor([-27.0, -7.0, -53.0]).double())
    assert any("another energy" in f.evidence for f in findings(different, "duplicates"))


def test_frames_of_one_trajectory_are_no_duplicates() -> None:
    water = molecule("H2O")
    near = water.copy()
    near.positions[1, 0] += 1e-3
    free = from_ase([water, near])
    assert only(free, "duplicates").rows == (1,)
    assert findings(replace(free, ids=("run/0", "run/1")), "duplicates") == []


def test_against_another_dataset() -> None:
    found = only(molecules()[:10], "duplicates", against=molecules()[5:20])
    assert found.rows == (5, 6, 7, 8, 9)
    assert "other dataset" in found.evidence


def splits(batch: Structures, **parts) -> Examined:
    return Examined.of(batch, splits={k: np.asarray(v) for k, v in parts.items()})


def test_leaks() -> None:
    turned = molecules()[3]
    turned = replace(
        turned, positions=turned.positions @ torch.tensor([[0, 1, 0], [-1, 0, 0], [0, 0, 1.0]]).double()
    )
    batch = Structures.concatenate([molecules(), molecules()[2], turned])
    data = splits(batch, train=np.arange(50), test=np.arange(50, 62))
    alike, guise = findings(data, "leaks")
    assert (alike.severity, alike.rows) == ("serious", (60,))
    assert (guise.severity, guise.rows) == ("warning", (61,))
    assert alike.correction is not None
    assert (alike.correction.part, alike.correction.rows) == ("train", (2,))
    assert findings(splits(batch, train=np.arange(50), test=np.arange(50, 60)), "leaks") == []
    assert findings(splits(batch, train_hot=np.arange(50), train_cold=np.arange(50, 62)), "leaks") == []


def test_one_trajectory_in_two_parts() -> None:
    data = splits(copper(), train=np.arange(20), test=np.arange(20, 30))
    found = only(data, "leaks")
    assert (found.severity, found.rows) == ("warning", (20, 21, 22, 23))


def test_labels_copied_from_another_part() -> None:
    batch, test = copper(), np.arange(40, 48)
    stress = batch.labels["stress"].clone()
    stress[test] = stress[:8].clone()
    found = only(splits(batch.with_labels(stress=stress), train=np.arange(40), test=test), "copied_labels")
    assert (found.severity, found.rows) == ("serious", tuple(test.tolist()))
    assert "100 % of 'test'" in found.evidence


# --- energies -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("kcal/mol", KCAL_PER_MOL), ("meV", 1e-3), ("Ha", HARTREE), ("kJ/mol", KCAL_PER_MOL / 4.184)],
)
def test_energy_units(unit, factor) -> None:
    found = only(scaled(molecules(), energy=1 / factor), "energy_unit")
    assert found.severity == "serious"
    assert found.evidence.endswith(unit)
    assert found.correction is not None
    assert found.correction.edit is not None
    fixed = found.correction.edit(scaled(molecules(), energy=1 / factor))
    torch.testing.assert_close(fixed.labels["energy"], molecules().labels["energy"])


def test_energies_that_cannot_be() -> None:
    assert "joule" in only(scaled(copper(), energy=1.602e-19), "energy_unit").evidence
    assert "all electrons" in only(scaled(copper(), energy=1e7), "energy_unit").evidence


def test_energies_per_atom_among_totals() -> None:
    batch = molecules()
    per_atom = batch.labels["energy"] / batch.counts
    found = only(batch.with_labels(energy=per_atom), "per_atom")
    assert "does not grow with the structure" in found.evidence
    total = batch.with_labels(formation_energy=batch.labels["energy"])
    assert "grows with the structure" in only(total, "per_atom").evidence
    assert findings(batch.with_labels(formation_energy=per_atom), "per_atom") == []


@settings(max_examples=8, deadline=None)
@given(rows=st.sets(st.integers(0, 59), min_size=1, max_size=5), by=st.floats(20, 1e4))
def test_energy_outliers(rows, by) -> None:
    rows = sorted(rows)
    batch = with_label("energy", rows, molecules().labels["energy"][rows] - by * molecules().counts[rows])
    found = findings(batch, "levels")[0]
    assert found.rows == tuple(rows)


def test_two_levels_of_theory() -> None:
    batch = molecules()
    other = torch.arange(60) % 3 == 1
    mixed = with_label("energy", other, (batch.labels["energy"] + 3.0 * batch.counts)[other])
    found = only(mixed, "levels")
    assert found.severity == "serious"
    assert found.rows == tuple(torch.nonzero(other).flatten().tolist())
    assert "two heaps" in found.evidence


@pytest.mark.parametrize("phases", [1, 2])
def test_two_heaps_of_one_phase_are_serious_and_of_two_are_not(rng, phases) -> None:
    crystals = []
    for k in range(60):
        a = 3.6 if phases == 1 or k % 2 else 4.6
        cell = np.diag([a + 0.02 * rng.normal()] * 3)
        positions = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]) @ cell
        positions += 0.03 * rng.normal(size=(4, 3))
        energy = 4 * (-3.5 + 0.5 * (k % 2)) + 0.01 * rng.normal()
        crystals.append(Structures.of(positions, [29] * 4, cell, True, {"energy": energy}))
    found = only(Structures.concatenate(crystals), "levels")
    assert "two heaps" in found.evidence
    assert found.severity == ("serious" if phases == 1 else "warning")


def test_formation_energies_of_another_method() -> None:
    batch = molecules()
    formation = batch.labels["energy"] / batch.counts + 4.0
    formation -= (
        torch.zeros(60).double().index_add(0, batch.structure, batch.numbers.double() * -2) / batch.counts
    )
    batch = batch.with_labels(formation_energy=formation)
    assert findings(batch, "levels") == []
    found = only(with_label("formation_energy", [5, 9, 30], formation[[5, 9, 30]] + 0.6, batch), "levels")
    assert found.rows == (5, 9, 30)


@pytest.mark.parametrize(
    ("factors", "reason"),
    [
        ({"energy": 1 / KCAL_PER_MOL}, "energies in kcal/mol"),
        ({"forces": 1 / KCAL_PER_MOL}, "forces in kcal/mol/Å"),
        ({"energy": 1e3}, "energies in meV"),
        ({"energy": 1 / HARTREE}, "energies in hartree"),
        ({"forces": -1.0}, "forces of the opposite sign"),
        ({"forces": BOHR / HARTREE}, "forces in hartree/bohr"),
    ],
    ids=str,
)
def test_work_of_the_forces(factors, reason) -> None:
    found = findings(scaled(copper(), **factors), "work")[-1]
    assert found.severity == "serious"
    assert reason in found.evidence
    assert found.correction is not None
    assert found.correction.edit is not None
    fixed = found.correction.edit(scaled(copper(), **factors))
    for name in factors:
        torch.testing.assert_close(fixed.labels[name], copper().labels[name])


def test_work_sees_energies_per_atom() -> None:
    batch = copper()
    found = only(batch.with_labels(energy=batch.labels["energy"] / batch.counts), "work")
    assert "energies per atom" in found.evidence
    assert findings(batch, "work") == []


# --- forces and stresses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "value", "severity", "text"),
    [
        (0, torch.tensor([500.0, 0, 0]).double(), "warning", "forces above 50"),
        (0, torch.tensor([3.0, 0, 0]).double(), "warning", "do not add up"),
        (slice(0, 3), 0.0, "warning", "exactly 0"),
    ],
)
def test_forces(row, value, severity, text) -> None:
    found = [f for f in findings(with_label("forces", row, value), "forces") if text in f.evidence]
    assert [(f.severity, f.rows) for f in found] == [(severity, (0,))]


def test_forces_in_another_unit() -> None:
    found = findings(scaled(molecules(), forces=23.06), "forces")
    assert any(f.severity == "serious" and "another unit" in f.evidence for f in found)


def test_zero_forces_are_right_where_symmetry_says_so() -> None:
    def still(structures: Structures) -> list[Finding]:
        return findings(structures.with_labels(forces=torch.zeros_like(structures.positions)), "forces")

    assert still(cases.rocksalt()) == still(cases.fcc()) == []
    assert len(still(cases.rattled_rocksalt())) == 1


def test_single_stresses() -> None:
    crystal = cases.rattled_rocksalt()
    twisted = torch.tensor([[[0.01, 0.02, 0], [0, 0.01, 0], [0, 0, 0.01]]]).double()
    assert "not symmetric" in only(crystal.with_labels(stress=twisted), "stress").evidence
    assert "160 GPa" in only(crystal.with_labels(stress=torch.eye(3).double()[None] * 5), "stress").evidence
    virial = free_property("virial", "structure", "eV", shape=(3, 3))
    right = copper().with_labels(virial=-copper().labels["stress"] * copper().volume[:, None, None])
    assert findings(Examined.of(right, {"virial": virial}), "stress") == []
    wrong = right.with_labels(virial=-right.labels["virial"])
    assert "-1 times" in only(Examined.of(wrong, {"virial": virial}), "stress").evidence


@pytest.mark.parametrize(
    ("factor", "proposal"),
    [
        (-1.0, "multiply stress by −1"),
        (1 / KBAR, "from kbar"),
        (0.1 / KBAR, "from GPa"),
        (-1 / KBAR, "and convert"),
    ],
)
def test_stress_against_strain(factor, proposal) -> None:
    (found,) = findings(scaled(copper(), stress=factor), "strain")
    assert proposal in found.proposal
    assert found.correction is not None
    assert found.correction.edit is not None
    fixed = found.correction.edit(scaled(copper(), stress=factor))
    torch.testing.assert_close(fixed.labels["stress"], copper().labels["stress"], rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("order", [[0, 2, 1], [2, 1, 0], [1, 2, 0]], ids=str)
def test_exchanged_shears(order) -> None:
    stress = copper().labels["stress"]
    i, j = torch.tensor([1, 0, 0]), torch.tensor([2, 2, 1])
    wrong = stress.clone()
    wrong[:, i[order], j[order]] = wrong[:, j[order], i[order]] = stress[:, i, j]
    batch = copper().with_labels(stress=wrong)
    found = only(batch, "strain")
    assert found.correction is not None
    assert found.correction.edit is not None
    torch.testing.assert_close(found.correction.edit(batch).labels["stress"], stress)


def test_tensors_in_another_frame() -> None:
    pytest.importorskip("spglib")
    stretched = [bulk("Cu", cubic=True) for _ in range(6)]
    for k, crystal in enumerate(stretched):
        crystal.set_cell(crystal.cell.array * [1, 1, 1.05 + 0.02 * k], scale_atoms=True)
    batch = from_ase(stretched)
    along_z = torch.diag(torch.tensor([0.01, 0.01, 0.05]).double()).repeat(6, 1, 1)
    assert findings(batch.with_labels(stress=along_z), "tensor_symmetry") == []
    found = only(batch.with_labels(stress=along_z[:, [2, 0, 1]][:, :, [2, 0, 1]]), "tensor_symmetry")
    assert (found.severity, found.rows) == ("serious", (0, 1, 2, 3, 4, 5))


# --- missing and constant values, charges -------------------------------------------------------------------


@settings(max_examples=10, deadline=None)
@given(rows=st.sets(st.integers(0, 59), min_size=1, max_size=9), value=st.sampled_from([0.0, -999.0, 9999.0]))
def test_sentinels(rows, value) -> None:
    found = only(with_label("energy", sorted(rows), value), "sentinels")
    assert found.rows == tuple(sorted(rows))
    assert found.correction is not None
    assert found.correction.edit is not None
    assert bool(found.correction.edit(molecules()[:2]).labels["energy"].isnan().all())


def test_flags_are_no_sentinels() -> None:
    flags = (torch.arange(60) % 3 > 0).double()
    assert audit(molecules().with_labels(metal=flags)).findings == ()


def test_infinite_and_partly_known_labels() -> None:
    found = only(with_label("energy", 7, torch.inf), "unknown_values")
    assert (found.severity, found.rows) == ("serious", (7,))
    found = only(with_label("forces", 1, torch.nan), "unknown_values")
    assert (found.severity, found.rows) == ("note", (0,))


def test_unknown_labels_are_no_slip() -> None:
    batch = molecules()
    energy, forces = batch.labels["energy"].clone(), batch.labels["forces"].clone()
    energy[:5], forces[batch.structure < 5] = torch.nan, torch.nan
    assert audit(batch.with_labels(energy=energy, forces=forces)).findings == ()


def test_labels_that_say_nothing() -> None:
    tags = torch.zeros(molecules().n_atoms).double()
    found = only(
        replace(molecules(), labels={"tags": tags}, atom_labels=frozenset(["tags"])), "constant_labels"
    )
    assert (found.severity, "tags is 0" in found.evidence) == ("warning", True)
    still = molecules().with_labels(energy=torch.zeros(60).double())
    assert only(still, "constant_labels").severity == "serious"


def test_charge_and_spin() -> None:
    def water(charge: float, spin: float) -> list[Finding]:
        labels = {"total_charge": torch.tensor([charge]), "total_spin": torch.tensor([spin])}
        return findings(cases.water().with_labels(**labels), "charges")

    assert water(0, 1) == water(1, 2) == water(0, 3) == []
    assert [f.severity for f in water(0, 2) + water(1, 1)] == ["serious", "serious"]
    assert "beyond what the atoms can bear" in water(12, 1)[-1].evidence


def test_partial_charges() -> None:
    charges = torch.tensor([-0.8, 0.4, 0.4]).double()
    neutral = cases.water().with_labels(charges=charges, total_charge=torch.zeros(1).double())
    assert findings(neutral, "charges") == []
    wrong = neutral.with_labels(charges=charges + 0.2)
    assert "do not add up" in only(wrong, "charges").evidence
