"""The summary counts right, and every slip that is planted is found, and none where there is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from ase.build import bulk, molecule

from atomscape.atoms.ase import from_ase
from atomscape.atoms.describe import describe
from atomscape.atoms.properties import free_property
from atomscape.atoms.structures import Structures
from atomscape.testing import cases

ATOMIC = torch.zeros(119, dtype=torch.float64).index_copy(
    0, torch.tensor([1, 6, 7, 8]), torch.tensor([-13.6, -1030.0, -1485.0, -2042.0]).double()
)


def sound(n: int = 60) -> Structures:
    """Rattled molecules of four elements with plausible energies, and forces that cancel."""
    rng = np.random.default_rng(3)
    names = ["H2O", "CH4", "NH3", "CH3OH", "CO2", "CH3CH2OH", "H2CO", "C6H6", "N2", "HCN"]
    images = [molecule(names[k % len(names)]) for k in range(n)]
    for image in images:
        image.positions += 0.03 * rng.normal(size=image.positions.shape)
    batch = from_ase(images)
    forces = torch.from_numpy(rng.normal(size=(batch.n_atoms, 3)))
    mean = (
        torch.zeros(n, 3, dtype=torch.float64).index_add(0, batch.structure, forces) / batch.counts[:, None]
    )
    energy = torch.zeros(n, dtype=torch.float64).index_add(0, batch.structure, ATOMIC[batch.numbers])
    energy += torch.from_numpy(0.3 * rng.normal(size=n)) - 4.0 * batch.counts
    return batch.with_labels(energy=energy, forces=forces - mean[batch.structure])


def kinds(structures: Structures) -> list[str]:
    return [f.kind for f in describe(structures).findings]


def with_label(name: str, row, value) -> Structures:
    batch = sound()
    values = batch.labels[name].clone()
    values[row] = value
    return batch.with_labels(**{name: values})


def test_nothing_is_wrong_with_sound_data():
    assert describe(sound()).findings == ()
    crystals = from_ase([bulk("Cu"), bulk("Si"), bulk("NaCl", "rocksalt", a=5.64), bulk("Cs")])
    assert describe(crystals).findings == ()


def test_counts():
    found = describe(Structures.concatenate([cases.mixed_batch(), cases.fcc()]))
    assert (found.structures, found.atoms) == (9, 35)
    assert found.elements["O"] == 6
    assert found.elements["Cu"] == 1
    assert found.periodic == {"abc": 3, "ac": 1, "c": 1, "none": 4}
    assert found.sizes is not None
    assert (found.sizes.minimum, found.sizes.median, found.sizes.maximum) == (1, 3, 9)


def test_density_and_volume():
    found = describe(cases.fcc())
    assert found.density is not None
    assert found.volume_per_atom is not None
    assert found.density.median == pytest.approx(8.97, abs=0.01)
    assert found.volume_per_atom.median == pytest.approx(3.61**3 / 4)
    assert describe(cases.water()).density is None


def test_labels_have_units_ranges_and_gaps():
    batch = sound(10)
    hardness = torch.tensor([1.0, torch.nan, 3.0, *[2.0] * 7])
    found = describe(
        batch.with_labels(hardness=hardness), {"hardness": free_property("hardness", "structure", "GPa")}
    )
    by_name = {label.property.name: label for label in found.labels}
    assert by_name["energy"].property.unit == "eV"
    assert by_name["forces"].known == batch.n_atoms
    label = by_name["hardness"]
    assert (label.known, label.missing, label.property.unit) == (9, 1, "GPa")
    assert label.range is not None
    assert (label.range.minimum, label.range.median, label.range.maximum) == (1, 2, 3)
    text = str(found)
    assert "hardness [GPa] per structure: 1 … 3 (median 2), 1 missing" in text
    assert "10 structures" in text


def test_close_atoms():
    batch = sound()
    x = batch.positions.clone()
    x[1] = x[0] + 0.1
    found = describe(replace(batch, positions=x)).findings
    assert (found[0].kind, found[0].structures) == ("close atoms", (0,))
    assert "closer than 0.5 Å, down to 0.173" in found[0].message
    copper = from_ase(bulk("Cu", a=1.8))
    assert "half the sum of their covalent radii" in str(describe(copper))


def test_lengths_in_bohr():
    batch = sound()
    assert "length unit" in kinds(replace(batch, positions=batch.positions * 1.8897))


def test_duplicates():
    batch = sound()
    twice = Structures.concatenate([batch, replace(batch[4], positions=batch[4].positions + 1.0)])
    (found,) = describe(twice).findings
    assert (found.kind, found.structures) == ("duplicates", (60,))
    other = Structures.concatenate([batch, batch[4].with_labels(energy=batch.labels["energy"][4:5] + 0.5)])
    assert "with another energy" in str(describe(other))


def test_ill_formed_structures_are_reported():
    flat = replace(cases.fcc(), cell=torch.zeros(1, 3, 3).double())
    found = describe(flat)
    assert [f.kind for f in found.findings] == ["ill-formed"]
    assert "singular" in str(found)
    assert describe(Structures.empty()).findings[0].kind == "ill-formed"


@pytest.mark.parametrize(
    ("structures", "kind", "where"),
    [
        (with_label("energy", 7, torch.inf), "infinite", (7,)),
        (with_label("energy", 7, 0.0), "sentinel", (7,)),
        (with_label("energy", [3, 7], -999.0), "sentinel", (3, 7)),
        (with_label("energy", 7, -9e4), "energy outliers", (7,)),
        (with_label("forces", 0, torch.tensor([500.0, 0, 0]).double()), "huge forces", (0,)),
        (with_label("forces", 0, torch.tensor([3.0, 0, 0]).double()), "net force", (0,)),
        (with_label("forces", slice(0, 3), 0.0), "sentinel", (0,)),
        (with_label("forces", 1, torch.nan), "missing", (0,)),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_planted_slips_are_found(structures, kind, where):
    assert (kind, where) in [(f.kind, f.structures) for f in describe(structures).findings]


def test_unknown_labels_are_no_slip():
    batch = sound()
    energy, forces = batch.labels["energy"].clone(), batch.labels["forces"].clone()
    energy[:5], forces[batch.structure < 5] = torch.nan, torch.nan
    assert describe(batch.with_labels(energy=energy, forces=forces)).findings == ()


def test_energies_per_atom_among_totals():
    batch = sound()
    assert "per atom" in kinds(batch.with_labels(energy=batch.labels["energy"] / batch.counts))
    total = batch.with_labels(formation_energy=batch.labels["energy"])
    assert "per atom" in kinds(total)
    assert "per atom" not in kinds(batch.with_labels(formation_energy=batch.labels["energy"] / batch.counts))


def test_volumes():
    loose = from_ase(bulk("Cu", cubic=True))
    loose = replace(loose, cell=loose.cell * torch.tensor([1.0, 1.0, 20.0]).double()[:, None])
    assert kinds(loose) == ["volume"]
    assert "vacuum inside the cell" in str(describe(loose))


def test_stresses():
    crystal = cases.rattled_rocksalt()
    twisted = torch.tensor([[[0.01, 0.02, 0], [0, 0.01, 0], [0, 0, 0.01]]]).double()
    assert kinds(crystal.with_labels(stress=twisted)) == ["stress"]
    assert "160 GPa" in str(describe(crystal.with_labels(stress=torch.eye(3).double()[None] * 5)))


def test_spin_and_charge():
    def water(charge: float, spin: float) -> Structures:
        return cases.water().with_labels(total_charge=torch.tensor([charge]), total_spin=torch.tensor([spin]))

    assert kinds(water(0, 1)) == kinds(water(1, 2)) == kinds(water(0, 3)) == []
    assert kinds(water(0, 2)) == kinds(water(1, 1)) == ["spin"]


def test_elements_met_once():
    batch = sound()
    numbers = batch.numbers.clone()
    numbers[0] = 16
    assert "elements of one structure only: S" in str(describe(replace(batch, numbers=numbers, labels={})))


def test_units_that_cannot_be():
    batch = sound()
    batch = batch.with_labels(forces=0.5 * batch.labels["forces"])
    assert describe(batch).findings == ()
    assert "energy unit" in kinds(batch.with_labels(energy=1e3 * batch.labels["energy"]))
    assert "force unit" in kinds(batch.with_labels(forces=23.06 * batch.labels["forces"]))


def test_zero_forces_are_right_where_symmetry_says_so():
    def still(structures: Structures) -> Structures:
        return structures.with_labels(forces=torch.zeros_like(structures.positions))

    assert kinds(still(cases.rocksalt())) == kinds(still(cases.fcc())) == []
    assert kinds(still(cases.rattled_rocksalt())) == ["sentinel"]


def test_flags_are_no_sentinels():
    batch = sound()
    flags = (torch.arange(60) % 3 > 0).double()
    assert kinds(batch.with_labels(metal=flags)) == []
