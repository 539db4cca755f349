"""The embedded sample: what ships is what the generator makes, and its labels are physics."""

from __future__ import annotations

import json
import math
import sys
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from atomscape.atoms.structures import Structures
from atomscape.data.load import load
from atomscape.data.sources import sample, sample_crystals
from atomscape.units import DEBYE

SCRIPTS = Path(__file__).parents[2] / "scripts"
FOLDER = Path(sample.__file__).parents[1] / "sample"
RECORDS = {name: json.loads((FOLDER / f"{name}.json").read_text()) for name in ("molecules", "crystals")}


def whole(source) -> Structures:
    return Structures.concatenate(source.read(FOLDER))


@pytest.fixture(scope="module")
def molecules() -> Structures:
    return whole(sample)


@pytest.fixture(scope="module")
def crystals() -> Structures:
    return whole(sample_crystals)


@pytest.fixture
def script(monkeypatch):
    """A module of scripts/, or the test is skipped because a package it needs is absent."""

    def imported(name: str, *needs: str):
        for package in needs:
            pytest.importorskip(
                package, reason=f"the generator needs {package}: pip install '.[molecules,label]'"
            )
        monkeypatch.syspath_prepend(str(SCRIPTS))
        monkeypatch.delitem(sys.modules, name, raising=False)
        return pytest.importorskip(name)

    return imported


def named(structures: Structures, name: str) -> Structures:
    return structures[structures.ids.index(name)]


def same_packages(record: dict) -> bool:
    def installed(package: str) -> str | None:
        try:
            return version(package)
        except PackageNotFoundError:
            return None

    return all(installed(package) == v for package, v in record["packages"].items())


@pytest.mark.parametrize("name", ["molecules", "crystals"])
def test_files_are_those_their_records_describe(name):
    record, path = RECORDS[name], FOLDER / f"{name}.npz"
    structures = whole(sample if name == "molecules" else sample_crystals)
    assert sha256(path.read_bytes()).hexdigest() == record["sha256"]
    assert (len(structures), structures.n_atoms) == (record["structures"], record["atoms"])
    assert len(set(structures.ids)) == len(structures)
    assert record["licence"] == (sample if name == "molecules" else sample_crystals).card.licence


def test_shipped_data_stay_small():
    assert sum(f.stat().st_size for f in FOLDER.iterdir()) < 4e6


@pytest.mark.parametrize("source", [sample, sample_crystals])
def test_parts_are_a_fixed_partition(source):
    n, parts = len(whole(source)), source.splits(FOLDER)
    rows = np.concatenate(list(parts.values()))
    np.testing.assert_array_equal(np.sort(rows), np.arange(n))
    shares = [len(parts[k]) / n for k in ("train", "val", "test")]
    np.testing.assert_allclose(shares, (0.8, 0.1, 0.1), atol=0.02)


def test_frames_of_a_molecule_are_in_one_part(molecules):
    part_of = {int(row): name for name, rows in sample.splits(FOLDER).items() for row in rows}
    where: dict[str, set[str]] = {}
    for row, name in enumerate(molecules.ids):
        where.setdefault(name.split("~")[0], set()).add(part_of[row])
    assert {len(parts) for parts in where.values()} == {1}
    assert sum("~" in name for name in molecules.ids) >= 1000


def test_molecules_cover_the_small_and_the_varied(molecules):
    relaxed = [name for name in molecules.ids if "~" not in name]
    assert len(relaxed) >= 3000
    assert set(molecules.numbers.tolist()) == {1, 6, 7, 8, 9}
    everyday = "C N O F [H][H] N#N O=C=O CO CCO C=O CC=O CC(C)=O O=CO CC(=O)O NC=O CC#N C#C C=C C1CC1 c1ccoc1"
    assert set(everyday.split()) <= set(relaxed)
    heavy = torch.zeros(len(molecules)).index_add_(0, molecules.structure, (molecules.numbers > 1).float())
    assert heavy.max() == 7


def test_labels_obey_conservation_laws(molecules):
    """Forces sum to zero, charges to the net charge, and Σ r × F = 0: to the rounding of the labels."""
    forces, charges = molecules.labels["forces"], molecules.labels["charges"]
    zero = torch.zeros(len(molecules), 3, dtype=torch.float64)
    torque = torch.linalg.cross(molecules.positions, forces)
    assert zero.index_add(0, molecules.structure, forces).abs().max() < 2e-4
    assert zero.index_add(0, molecules.structure, torque).abs().max() < 1e-3
    assert zero[:, 0].index_add(0, molecules.structure, charges).abs().max() < 2e-4


def test_labels_are_known_everywhere_and_in_range(molecules):
    assert set(molecules.labels) == {p.name for p in sample.card.properties}
    assert all(v.isfinite().all() for v in molecules.labels.values())
    relaxed = torch.tensor(["~" not in name for name in molecules.ids])
    assert molecules.labels["gap"][relaxed].min() > 0.5
    assert molecules.labels["gap"].min() > 0
    assert molecules.labels["energy"].max() < -20
    forces = molecules.labels["forces"]
    assert forces[relaxed[molecules.structure]].abs().max() < 0.1
    rattled = forces[~relaxed[molecules.structure]]
    assert 1.0 < rattled.pow(2).mean().sqrt() < 5.0
    assert rattled.abs().max() < 50.0


def test_water_is_that_of_the_method(molecules):
    """GFN2-xTB water: r(OH) 0.959 Å, 107.2°, 2.2 D (experiment 0.957 Å, 104.5°, 1.85 D)."""
    water = named(molecules, "O")
    one, other = water.positions[1] - water.positions[0], water.positions[2] - water.positions[0]
    cosine = torch.dot(one, other) / one.norm() / other.norm()
    assert abs(float(one.norm()) - 0.959) < 0.003
    assert abs(math.degrees(math.acos(float(cosine))) - 107.2) < 1.0
    dipole = water.labels["dipole"][0]
    assert abs(float(dipole.norm()) / DEBYE - 2.2) < 0.1
    assert torch.dot(dipole, one + other) > 0  # from minus to plus: from oxygen to the hydrogens


def test_load_gives_a_store_with_units_and_split(tmp_path, monkeypatch):
    monkeypatch.setenv("ATOMSCAPE_CACHE", str(tmp_path))
    for name, unit in (("sample", ("energy", "eV")), ("sample_crystals", ("density", "g/cm³"))):
        store = load(name)
        record = RECORDS["molecules" if name == "sample" else "crystals"]
        assert (len(store), store.card.n_atoms) == (record["structures"], record["atoms"])
        assert store.card.units[unit[0]] == unit[1]
        assert len(store.split("train")) > 0.7 * len(store)
    ethanol = load("sample").rows_of(["CCO"])
    assert load("sample")[ethanol].formulas() == ["C2H6O"]


def test_labels_can_be_made_again_from_the_positions(molecules, script):
    labels = script("sample_labels", "rdkit", "tblite", "scipy")
    rattled = [name for name in molecules.ids if name.endswith("~2")][::200]
    for name in ["O", "CCO", "CC#N", "c1ccoc1", *rattled]:
        kept = named(molecules, name)
        again = labels.label(name, kept.numbers.numpy(), kept.positions.numpy())
        np.testing.assert_array_equal(again.positions, kept.positions)
        assert abs(again.energy - kept.labels["energy"].item()) < 1e-5
        assert abs(again.gap - kept.labels["gap"].item()) < 1e-4
        for quantity in ("forces", "dipole", "charges"):
            shipped = kept.labels[quantity].squeeze(0).numpy()
            np.testing.assert_allclose(getattr(again, quantity), shipped, atol=1e-4)


def test_forces_are_minus_the_derivative_of_the_energy(molecules, script):
    labels = script("sample_labels", "rdkit", "tblite", "scipy")
    frame = named(molecules, next(name for name in molecules.ids if name.endswith("~2")))
    numbers, x, step = frame.numbers.numpy(), frame.positions.numpy(), 1e-3
    for atom, axis in ((0, 0), (1, 1), (len(x) - 1, 2)):
        move = np.zeros_like(x)
        move[atom, axis] = step
        up, down = (labels.label("", numbers, x + s * move).energy for s in (1, -1))
        assert abs(-(up - down) / (2 * step) - frame.labels["forces"][atom, axis].item()) < 5e-3


def test_molecules_can_be_made_again_from_nothing(molecules, script):
    """The whole way: SMILES, conformer, force field, relaxation, rattle, labels."""
    if not same_packages(RECORDS["molecules"]):
        pytest.skip(f"made with {RECORDS['molecules']['packages']}; other versions give other conformers")
    labels = script("sample_labels", "rdkit", "tblite", "scipy")
    seed = RECORDS["molecules"]["seed"]
    rattled = next(name for name in molecules.ids if name.endswith("~1")).split("~")[0]
    for smiles in ["C", "O", "CC#N", "c1ccoc1", "NC=O", rattled]:
        for frame in labels.frames(smiles, seed, rattled=smiles == rattled):
            kept = named(molecules, frame.id)
            np.testing.assert_array_equal(frame.numbers, kept.numbers)
            np.testing.assert_allclose(frame.positions, kept.positions, atol=5e-4)
            if np.array_equal(frame.positions, kept.positions):
                assert abs(frame.energy - kept.labels["energy"].item()) < 1e-5


def test_enumeration_is_complete_among_the_smallest(molecules, script):
    """All graphs of up to four heavy atoms that pass the rules are in the sample or were refused a label."""
    grow = script("sample_molecules", "rdkit")
    found = [s for level in grow.enumerate_molecules(4).values() for s in level]
    assert len(set(found)) == len(found) > 120
    missing = set(found) - set(molecules.ids)
    assert len(missing) <= sum(RECORDS["molecules"]["refused"].values())
    assert len(missing) < 0.05 * len(found)


def test_crystals_have_the_symmetry_of_their_type(crystals, monkeypatch):
    monkeypatch.setenv("SPGLIB_OLD_ERROR_HANDLING", "false")
    spglib = pytest.importorskip("spglib", reason="space groups need spglib: pip install '.[crystals]'")
    types = yaml.safe_load((SCRIPTS / "sample_prototypes.yaml").read_text())
    groups = {name: entry["space_group"] for name, entry in types.items()}
    groups |= {"fcc": 225, "bcc": 229, "hcp": 194, "diamond": 227, "sc": 221}
    kinds = [name.rpartition("-")[0] for name in crystals.ids]
    assert set(kinds) == set(groups)
    for kind in groups:
        one = crystals[kinds.index(kind)]
        found = spglib.get_symmetry_dataset(
            (
                one.cell[0].numpy(),
                (one.positions @ torch.linalg.inv(one.cell[0])).numpy(),
                one.numbers.numpy(),
            ),
            symprec=1e-6,
        )
        assert found is not None, kind
        assert found.number == groups[kind], kind


@pytest.mark.parametrize(
    ("name", "volume"),
    [  # Å³ per primitive cell, from measured lattice constants
        ("rocksalt-NaCl", 5.640**3 / 4),
        ("rocksalt-MgO", 4.212**3 / 4),
        ("caesium-chloride-CsCl", 4.123**3),
        ("zincblende-GaAs", 5.653**3 / 4),
        ("fluorite-CaF2", 5.463**3 / 4),
        ("spinel-MgAl2O4", 8.083**3 / 4),
        ("perovskite-SrTiO3", 3.905**3),
        ("B2-alloy-NiAl", 2.887**3),
    ],
)
def test_estimated_cells_are_near_measured_ones(crystals, name, volume):
    edge = (named(crystals, name).volume.item() / volume) ** (1 / 3)
    assert abs(edge - 1) < 0.04


def test_densities_are_those_of_the_handbook(crystals):
    for name, density in (
        ("fcc-Cu", 8.93),
        ("fcc-Au", 19.3),
        ("bcc-Fe", 7.87),
        ("diamond-C", 3.51),
        ("hcp-Mg", 1.74),
    ):
        assert abs(named(crystals, name).labels["density"].item() / density - 1) < 0.02
    volume = crystals.volume / crystals.counts
    torch.testing.assert_close(crystals.labels["volume_per_atom"], volume, atol=1e-4, rtol=0)


def test_crystals_can_be_made_again(crystals, script):
    if not same_packages(RECORDS["crystals"]):
        pytest.skip(f"made with {RECORDS['crystals']['packages']}; other versions list other radii")
    made = script("sample_crystals", "pymatgen")
    types = yaml.safe_load(made.TYPES.read_text())
    for name, species in (
        ("rocksalt-NaCl", "Na+ Cl-"),
        ("perovskite-SrTiO3", "Sr2+ Ti4+ O2-"),
        ("half-heusler-ZrNiSn", "Zr Ni Sn"),
    ):
        entry = types[name.rpartition("-")[0]]
        atoms = made.compound(entry, dict(zip(entry["compounds"][0], species.split(), strict=True)))
        kept = named(crystals, name)
        np.testing.assert_allclose(atoms.positions, kept.positions, atol=1e-7)
        np.testing.assert_allclose(atoms.cell.array, kept.cell[0], atol=1e-7)
