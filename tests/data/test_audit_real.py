"""Every wrong label that real, widely used files carry is caught; clean sets raise no serious alarm.

The files are read as they are, or as an unwary reader would: what they call an energy is one in eV.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.data import atomic_numbers

from atomscape.atoms.ase import from_ase
from atomscape.atoms.labels import label_map
from atomscape.atoms.stresses import from_voigt
from atomscape.atoms.structures import Structures
from atomscape.data.audit import Audit, audit
from atomscape.data.examined import Examined
from atomscape.data.files import read_frames
from atomscape.data.fix import corrections_of, write_corrected
from atomscape.data.load import load
from atomscape.data.named import source_names
from atomscape.data.packed import cells_from_parameters
from atomscape.data.reading import Reading
from atomscape.data.unchecked import audit_of_refused
from atomscape.units import KBAR, KCAL_PER_MOL

pytestmark = pytest.mark.real

# Orders of the stress in the files of one collection differ: as in the publisher's or in another copy of it.
ORDERS = {"Cu": (0, 1, 2, 5, 4, 3), "Ni": (0, 1, 2, 5, 4, 3), "Mo": (0, 1, 2, 5, 4, 3)}


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory):
    """A cache folder of these tests alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATOMSCAPE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def rows(path: Path) -> list[dict]:
    with gzip.open(path, "rt") as file:
        return [json.loads(line) for line in file]


def serious(found: Audit) -> dict[str, str]:
    return {f.check: f.evidence for f in found.findings if f.severity == "serious"}


def mlearn(folder: Path, element: str) -> Examined:
    """One element of mlearn with stresses in our convention; ``test`` and ``train`` as published."""
    frames = list(read_frames(folder / f"{element}.extxyz.gz"))
    virial = np.array([a.info.pop("virial_stress") for a in frames])
    s = from_ase(frames, label_map(frames))
    stress = torch.from_numpy(from_voigt(-virial[:, ORDERS[element]] * KBAR))
    test = np.array([a.info["split"] == "test" for a in frames])
    parts = {"train": np.flatnonzero(~test), "test": np.flatnonzero(test)}
    return Examined.of(s.with_labels(stress=stress), splits=parts)


def test_colabfit_devset(real_data, tmp_path) -> None:
    """Energies per atom, pressure in kbar, xy and yz exchanged; the corrected copy is mlearn's copper."""
    data = Structures.concatenate(
        Structures.of(
            r["pos"], r["atomic_numbers"], r["cell"],
            labels={"energy": r["potential-energy"], "forces": r["force"],
                    "stress": np.array(r["stress"]) + np.triu(r["stress"], 1).T},
        )
        for r in rows(real_data("matsciml_devsets") / "colabfit.jsonl.gz")
    )  # fmt: skip
    found = audit(data)
    said = " ".join(f.evidence for f in found.findings)
    assert {"per_atom", "work", "strain", "stress"} <= serious(found).keys()
    assert "energies per atom" in said
    assert "yz strain goes with xy stress" in said
    assert any("from kbar" in f.proposal and "multiply stress by −1" in f.proposal for f in found.findings)
    fixed = write_corrected(Examined.of(data), found, tmp_path / "fixed")
    assert not audit(fixed, checks=["per_atom", "work", "strain", "stress"]).serious
    copper = mlearn(real_data("mlearn"), "Cu")[:]
    energies = copper.labels["energy"].numpy()
    for k in range(0, len(fixed), 20):
        s = fixed[k]
        same = (copper.cell - s.cell).abs().amax((1, 2)).numpy() < 1e-4
        (row,) = np.flatnonzero(same & (np.abs(energies - float(s.labels["energy"])) < 1e-4))[:1]
        np.testing.assert_allclose(s.labels["stress"][0], copper.labels["stress"][row], atol=2e-5)


def test_fractional_devsets(real_data) -> None:
    folder = real_data("matsciml_devsets")
    oqmd = [
        Structures.of(r["cart_coords"], r["atomic_numbers"], r["cell"])
        for r in rows(folder / "oqmd.jsonl.gz")
    ]
    carolina = []
    for r in rows(folder / "carolina_db.jsonl.gz"):
        names = [
            f"_cell_{k}"
            for k in ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
        ]
        cell = cells_from_parameters(np.array([[float(r[n]) for n in names]]))[0]
        carolina.append(Structures.of(r["cart_coords"], r["atomic_numbers"], cell))
    for crystals in (oqmd, carolina):
        found = audit(Structures.concatenate(crystals))
        assert list(serious(found)) == ["fractional"]
        (finding,) = (f for f in found.findings if f.check == "fractional")
        assert len(finding.rows) == len(crystals)


def test_nomad_devset(real_data) -> None:
    """Joule, metre, and several codes for the same structures."""
    crystals = []
    for r in rows(real_data("matsciml_devsets") / "nomad.jsonl.gz"):
        s = r["properties"]["structures"]["structure_original"]
        z = [atomic_numbers[e] for e in s["species_at_sites"]]
        energy = {"energy": r["energies"].get("total", {}).get("value", np.nan)}
        crystals.append(Structures.of(s["cartesian_site_positions"], z, s["lattice_vectors"], labels=energy))
    found = serious(audit(Structures.concatenate(crystals)))
    assert "in m" in found["length_unit"]
    assert "joule" in found["energy_unit"]
    assert "with another energy" in found["repeats"]
    assert "levels" in found


def test_materials_project_devset(real_data) -> None:
    """Total energies of several functionals beside formation energies of one."""
    pytest.importorskip("lmdb")
    path = real_data("matsciml_devsets") / "materials_project.lmdb"
    found = audit(load(path, Reading(trust=True)))
    assert list(serious(found)) == ["levels"]
    said = " ".join(f.evidence for f in found.findings)
    assert "differ by more than 1.0 eV/atom in 81 structures" in said
    assert "formation_energy of 26 of 200 structures are not of one method" in said
    assert all(f.correction is None for f in found.findings if f.check == "levels"), "whose energy is right?"


def test_refused_nomad_devset(real_data) -> None:
    """Cells in metre are singular as Å; a file that cannot become a store is audited all the same."""
    pytest.importorskip("lmdb")
    path, trusted = real_data("matsciml_devsets") / "nomad.lmdb", Reading(trust=True)
    with pytest.raises(ValueError, match="singular") as refused:
        load(path, trusted)
    found = audit_of_refused(path, trusted, refused.value)
    assert {"length_unit", "energy_unit", "levels"} <= serious(found).keys()
    assert not any("left out: energy" in line for line in corrections_of(found))


def test_mlearn_as_published(real_data) -> None:
    """Its virial is a pressure in kbar with the components xx yy zz xy yz xz: unit, sign and order."""
    frames = list(read_frames(real_data("mlearn") / "Cu.extxyz.gz"))
    virial = np.array([a.info.pop("virial_stress") for a in frames])
    as_written = from_ase(frames, label_map(frames)).with_labels(stress=torch.from_numpy(from_voigt(virial)))
    found = audit(as_written)
    assert {"strain", "stress"} <= serious(found).keys()
    said = " ".join(f"{f.evidence} {f.proposal}" for f in found.findings)
    assert "kbar" in said
    assert "exchange" in said


def test_water_monomers(real_data) -> None:
    """Periodic without a cell; and gradients in hartree/bohr are called forces."""
    frames = list(read_frames(real_data("tensor_properties") / "water_monomers_1000.xyz.gz"))
    found = serious(audit(Examined.of(from_ase(frames, label_map(frames), checked=False))))
    assert "cell is zero" in found["well_formed"]
    assert "1000 of 1000" in found["well_formed"]
    assert "opposite sign, forces per bohr" in found["work"]


@pytest.mark.parametrize(
    ("file", "unit", "evidence"),
    [
        ("ethanol_md17_pbe_2000_kcal.xyz.gz", KCAL_PER_MOL, "in kcal/mol"),
        ("aspirin_1000_meV.xyz.gz", 1e-3, "in meV"),
        ("ethanol_1000_eV.xyz.gz", 1.0, ""),
    ],
)
def test_md17(real_data, file, unit, evidence) -> None:
    frames = list(read_frames(real_data("md17") / file))
    as_written = from_ase(frames, label_map(frames))
    found = serious(audit(as_written))
    assert evidence in found.get("energy_unit", "")
    assert bool(found) == bool(evidence)
    right = as_written.with_labels(**{k: as_written.labels[k] * unit for k in ("energy", "forces")})
    assert serious(audit(right)) == {}


def test_oc20_tags(real_data) -> None:
    parts = []
    for name in ("random1000100", "random1000156"):
        frames = list(read_frames(real_data("oc20") / f"{name}.extxyz.gz"))
        for k, a in enumerate(frames):
            labels = {"energy": a.get_potential_energy(), "forces": a.get_forces(), "tags": a.get_tags()}
            parts.append(
                Structures.of(a.positions, a.numbers, a.cell.array, labels=labels, id=f"{name}/{k:04d}")
            )
    found = audit(Structures.concatenate(parts))
    assert serious(found) == {}
    assert any(f.check == "constant_labels" and f.evidence.startswith("tags is 0") for f in found.findings)


def test_carbon_24_stands_there_twice(real_data) -> None:
    crystals = rows(real_data("carbon_24") / "carbon_24.jsonl.gz")[::10]
    data = Structures.concatenate(
        Structures.of(np.array(r["frac"]) @ np.array(r["lattice"]), [6] * len(r["frac"]), r["lattice"])
        for r in crystals
    )
    parts = {k: np.array([n for n, r in enumerate(crystals) if r["split"] == k]) for k in ("train", "test")}
    found = audit(Examined.of(data, splits=parts), checks=["duplicates", "leaks"])
    (twice,) = (f for f in found.findings if f.check == "duplicates")
    assert 150 < len(twice.rows) < 500, "of 1,016; of all 10,153 more than half"
    assert any(
        f.check == "leaks" and "structures of test stand in train too" in f.evidence for f in found.findings
    )


def test_faults_of_another_copy_of_mlearn(real_data) -> None:
    """Another copy has energies per atom, test frames twice, and test stresses of training frames."""
    clean = mlearn(real_data("mlearn"), "Cu")
    s, test = clean[:], clean.splits["test"]
    stress, energy = s.labels["stress"].clone(), s.labels["energy"] / s.counts
    stress[test] = stress[: len(test)].clone()
    s = s.with_labels(stress=stress, energy=energy)
    twice = Structures.concatenate([s, s[test]])
    parts = {"train": clean.splits["train"], "test": np.r_[test, np.arange(len(s), len(twice))]}
    found = serious(audit(Examined.of(twice, splits=parts)))
    assert {"per_atom", "repeats", "copied_labels"} <= found.keys()
    assert "100 % of 'test'" in found["copied_labels"]


def test_piezoelectric_tensors_of_another_frame(real_data) -> None:
    pytest.importorskip("spglib")
    frames = list(read_frames(real_data("tensor_properties") / "piezo_941.extxyz.gz"))[::3]
    s = Structures.concatenate(Structures.of(a.positions, a.numbers, a.cell.array) for a in frames)
    voigt = np.array([a.info["piezo_ieee_voigt"] for a in frames]).reshape(-1, 3, 6)
    turned = np.array([a.info["piezo_cart"] for a in frames]).reshape(-1, 3, 3, 3)
    kept = [k for k, a in enumerate(frames) if a.info["frame_ok"]]
    as_published = s.with_labels(piezoelectric=torch.from_numpy(from_voigt(voigt)))
    assert list(serious(audit(as_published))) == ["tensor_symmetry"]
    in_its_frame = s[kept].with_labels(piezoelectric=torch.from_numpy(turned[kept]))
    assert serious(audit(in_its_frame)) == {}


def test_spin_is_counted_in_two_ways(real_data) -> None:
    frames = list(read_frames(real_data("charge_spin") / "ase_carbene_2200.db"))[::10]
    found = serious(audit(from_ase(frames, label_map(frames))))
    assert "do not fit the number of electrons" in found["charges"]


@pytest.mark.parametrize("element", ["Cu", "Ni", "Mo"])
def test_clean_mlearn(real_data, element) -> None:
    assert serious(audit(mlearn(real_data("mlearn"), element))) == {}


@pytest.mark.parametrize(
    "file",
    [
        "lips/lips_160.extxyz.gz",
        "3bpa/train_300K.xyz.gz",
        "mattersim_benchmarks/mptrj-random-1k.xyz.gz",
        "mattersim_benchmarks/alexandria-random-1k.xyz.gz",
        "mad_sample/mad_900.extxyz.gz",
        "shiftml_nmr/shiftml_train.xyz.gz",
        "nbmotaw/Mo_Elastic.extxyz.gz",
        "nbmotaw/NbTa_SS.extxyz.gz",
    ],
)
def test_clean_files(real_data, file) -> None:
    folder, name = file.split("/")
    frames = list(read_frames(real_data(folder) / name))
    assert serious(audit(from_ase(frames, label_map(frames)))) == {}


CLEAN = ("qm9", "materials_project", "perov_5", "sample", "sample_crystals", "mlearn:Si", "lips", "mad")


@pytest.mark.parametrize("name", [n for n in CLEAN if n in source_names()])
def test_clean_sources(data_root, name) -> None:
    data = load(name)
    some = Examined.of(data[data_rows(len(data))], data.properties)
    assert serious(audit(some)) == {}


def data_rows(n: int) -> np.ndarray:
    """At most 5,000 of n rows, one after the other."""
    return np.arange(min(n, 5000))
