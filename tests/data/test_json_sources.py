"""Sources of JSON and Parquet files: hand-made files in the publishers' form, and the local samples."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import zipfile

import ase.io
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from atomscape.atoms.structures import Structures
from atomscape.data.json_lines import json_lines
from atomscape.data.load import load
from atomscape.data.named import find_source
from atomscape.data.pymatgen_json import read_structure, site_values
from atomscape.data.sources import carolina, colabfit, jarvis, matbench
from atomscape.data.store import write_store
from atomscape.units import GPA, KBAR


def read(name: str, folder) -> Structures:
    return Structures.concatenate(find_source(name).read(folder))


def salt(a: float = 4.0, **properties) -> dict:
    """Rock salt's two atoms as pymatgen writes them; ``xyz`` is wrong on purpose, it is not read."""
    sites = [
        {"species": [{"element": e, "occu": 1}], "abc": abc, "xyz": [9, 9, 9], "label": e, "properties": {}}
        for e, abc in (("Na", [0.0, 0.0, 0.0]), ("Cl", [0.5, 0.5, 0.5]))
    ]
    for name, values in properties.items():
        for site, value in zip(sites, values, strict=True):
            site["properties"][name] = value
    matrix = [[0.0, a, a], [a, 0.0, a], [a, a, 0.0]]
    return {"@class": "Structure", "lattice": {"matrix": matrix}, "sites": sites}


def test_pymatgens_structures() -> None:
    numbers, positions, cell = read_structure(salt(2.0))
    assert numbers.tolist() == [11, 17]
    assert positions.tolist() == [[0, 0, 0], [2, 2, 2]]
    assert cell.tolist() == [[0, 2, 2], [2, 0, 2], [2, 2, 0]]
    charged = salt()
    charged["sites"][0]["species"][0] |= {"oxidation_state": 1.0}
    assert read_structure(charged)[0].tolist() == [11, 17]
    assert site_values(salt(magmom=[1.0, 2.0]), "magmom").tolist() == [1.0, 2.0]
    assert site_values(salt(magmom=[1.0, None]), "magmom") is None
    assert site_values(salt(), "forces", (3,)) is None


def test_pymatgens_structures_as_pymatgen_writes_them() -> None:
    pymatgen = pytest.importorskip("pymatgen.core")
    lattice = pymatgen.Lattice.from_parameters(3.0, 4.0, 5.0, 70, 80, 100)
    made = pymatgen.Structure(lattice, ["Fe", "O"], [[0.1, 0.2, 0.3], [0.6, 0.7, 0.8]])
    numbers, positions, cell = read_structure(json.loads(json.dumps(made.as_dict())))
    assert numbers.tolist() == [26, 8]
    np.testing.assert_allclose(positions, made.cart_coords, atol=1e-12)
    np.testing.assert_allclose(cell, made.lattice.matrix, atol=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s["sites"][0]["species"][0].update(occu=0.5), "occupied in part"),
        (lambda s: s["sites"][0]["species"].append({"element": "K", "occu": 0.1}), "occupied in part"),
        (lambda s: s["sites"][0]["species"][0].update(element="Qq"), "'Qq' is no element"),
        (lambda s: s.pop("lattice"), "'lattice'.* is missing"),
        (lambda s: s["sites"][1].pop("abc"), "'abc'.* is missing"),
    ],
)
def test_pymatgens_structures_that_are_not_read(change, message) -> None:
    structure = salt()
    change(structure)
    with pytest.raises(ValueError, match=message):
        read_structure(structure)


def test_lines(tmp_path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\n\n{"a": 2}\n')
    assert [line["a"] for line in json_lines(path)] == [1, 2]
    path.write_text('{"a": 1}\n{"a": \n')
    with pytest.raises(ValueError, match=r"a\.jsonl cannot be read after 2 lines"):
        list(json_lines(path))
    packed = gzip.compress(b'{"a": 1}\n' * 1000)
    (tmp_path / "b.jsonl.gz").write_bytes(packed[:-12])
    with pytest.raises(ValueError, match=r"b\.jsonl\.gz cannot be read after"):
        list(json_lines(tmp_path / "b.jsonl.gz"))


def table(folder, name: str, column: str, targets: list) -> None:
    """A Matbench file: pandas' split form, as matminer stores it."""
    rows = [[salt(3 + 0.1 * k), target] for k, target in enumerate(targets)]
    content = {"index": list(range(len(rows))), "columns": ["structure", column], "data": rows}
    with gzip.open(folder / f"matbench_{name}.json.gz", "wt") as file:
        json.dump(content, file)


def test_matbench(tmp_path) -> None:
    table(tmp_path, "jdft2d", "exfoliation_en", [63.6, 134.9, 43.1, 240.7, 67.4])
    s = read("matbench:jdft2d", tmp_path)
    assert s.ids[0] == "mb-jdft2d-001"
    np.testing.assert_allclose(s.labels["exfoliation_energy"], [0.0636, 0.1349, 0.0431, 0.2407, 0.0674])
    source = find_source("matbench:jdft2d")
    store = write_store(tmp_path / "store", source.read(tmp_path), source.card, source.splits(tmp_path))
    assert sorted(store.splits) == sorted(f"fold_{k}_{part}" for k in range(5) for part in ("train", "test"))
    assert store.card.splits["fold_3_test"] == 1
    table(tmp_path, "mp_is_metal", "is_metal", [True, False] * 5)
    assert read("matbench:mp_is_metal", tmp_path).labels["is_metal"].tolist() == [1.0, 0.0] * 5


def test_matbench_folds() -> None:
    """The rule is scikit-learn's; this pins it, so that no other version can change the folds."""
    found = matbench.folds(np.zeros(636), classes=False)
    tests = [found[f"fold_{k}_test"] for k in range(5)]
    assert [len(t) for t in tests] == [128, 127, 127, 127, 127]
    assert np.sort(np.concatenate(tests)).tolist() == list(range(636))
    for k in range(5):
        assert not set(tests[k]) & set(found[f"fold_{k}_train"])
    shuffled = np.arange(636)
    np.random.RandomState(18012019).shuffle(shuffled)
    assert np.sort(shuffled[:128]).tolist() == tests[0].tolist()
    metals = matbench.folds(np.arange(100) % 4 == 0, classes=True)
    assert {int((metals[f"fold_{k}_test"] % 4 == 0).sum()) for k in range(5)} == {5}


def test_matbench_cards_agree_with_the_benchmark() -> None:
    assert set(matbench.parts) == {
        "jdft2d", "phonons", "dielectric", "log_gvrh", "log_kvrh", "perovskites",
        "mp_gap", "mp_is_metal", "mp_e_form",
    }  # fmt: skip
    sums = {record.sha256 for part in matbench.parts.values() for record in part.card.files.values()}
    assert len(sums) == 9
    assert all(len(s) == 64 for s in sums)


JARVIS = {
    "jid": "JVASP-1",
    "atoms": {
        "lattice_mat": [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 4.0]],
        "coords": [[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]],
        "elements": ["Cu ", "O"],
        "cartesian": False,
    },
    "formation_energy_peratom": -0.5,
    "optb88vdw_total_energy": -3.0,
    "optb88vdw_bandgap": 0.0,
    "mbj_bandgap": "na",
    "bulk_modulus_kv": 100.0,
    "exfoliation_energy": 50.0,
    "magmom_oszicar": "0.002",
}


@pytest.mark.parametrize("packed", [True, False])
def test_jarvis(tmp_path, packed) -> None:
    cartesian = {**JARVIS, "jid": "JVASP-2", "atoms": {**JARVIS["atoms"], "cartesian": True}}
    text, name = json.dumps([JARVIS, cartesian]), jarvis.SETS["dft_3d"][1]
    if packed:
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            archive.writestr(name, text)
    else:
        (tmp_path / name).write_text(text)
    s = read("jarvis:dft_3d", tmp_path)
    assert s.ids == ("JVASP-1", "JVASP-2")
    assert s.numbers.tolist() == [29, 8, 29, 8]
    assert s.positions[1].tolist() == [1.0, 1.0, 2.0]
    assert s.positions[3].tolist() == [0.5, 0.5, 0.5]
    assert s.labels["energy"].tolist() == [-6.0, -6.0], "of the cell"
    np.testing.assert_allclose(s.labels["bulk_modulus"], 100 * GPA)
    np.testing.assert_allclose(s.labels["exfoliation_energy"], 0.05)
    assert s.labels["total_magnetization"].tolist() == [0.002, 0.002]
    assert not {"gap_mbj", "shear_modulus", "energy_above_hull"} & set(s.labels), "known of none"


def test_damaged_files_are_named(tmp_path) -> None:
    (tmp_path / "jdft_3d-12-12-2022.json.zip").write_bytes(b"no zip")
    with pytest.raises(
        ValueError, match=r"jdft_3d-12-12-2022.json.zip is not the archive of .*download it again"
    ):
        read("jarvis:dft_3d", tmp_path)
    table(tmp_path, "phonons", "last phdos peak", [1.0] * 50)
    path = tmp_path / "matbench_phonons.json.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"matbench_phonons.json.gz: .*download it again"):
        read("matbench:phonons", tmp_path)
    (tmp_path / "alexandria_000.json.bz2").write_bytes(bz2.compress(b'{"entries": []}' * 9)[:-9])
    with pytest.raises(ValueError, match=r"alexandria_000.json.bz2: .*download it again"):
        list(find_source("alexandria:pbe").read(tmp_path))


def test_alexandria_files(tmp_path) -> None:
    forces = [[0.0, 0.0, 0.1], [0.0, 0.0, -0.1]]
    entry = {
        "@class": "ComputedStructureEntry",
        "energy": -7.0,
        "correction": -1.0,
        "data": {
            "mat_id": "agm1",
            "e_form": -0.4,
            "e_above_hull": 0.0,
            "band_gap_ind": 1.5,
            "total_mag": 3.0,
        },
        "structure": salt(magmom=[1.0, 2.0], forces=forces, charge=[8.0, 7.0]),
    }
    other = {**entry, "data": {**entry["data"], "mat_id": "agm2", "band_gap_ind": None}, "structure": salt()}
    for k, entries in ((7, [other]), (3, [entry])):
        with bz2.open(tmp_path / f"alexandria_{k:03d}.json.bz2", "wt") as file:
            json.dump({"entries": entries}, file)
    s = read("alexandria:pbe", tmp_path)
    assert s.ids == ("agm1", "agm2")
    assert s.labels["energy"].tolist() == [-7.0, -7.0], "without corrections"
    assert s.labels["forces"][:2].tolist() == forces
    assert s.labels["forces"][2:].isnan().all()
    assert s.labels["gap"].isnan().tolist() == [False, True]
    assert s.labels["magnetic_moments"][:2].tolist() == [1.0, 2.0]
    assert s.positions[1].tolist() == [4.0, 4.0, 4.0]


def test_colabfit_files(tmp_path) -> None:
    rows = {
        "configuration_id": ["CO_1", "CO_2"],
        "atomic_numbers": [[1, 1], [29]],
        "positions": [[[0.0, 0.0, 0.0], [0.7, 0.0, 0.0]], [[0.0, 0.0, 0.0]]],
        "cell": [[[9.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 0.0, 9.0]]] * 2,
        "pbc": [[False] * 3, [True] * 3],
        "energy": [-31.0, None],
        "atomic_forces": [[[0.1, 0.0, 0.0], [-0.1, 0.0, 0.0]], None],
        "cauchy_stress": [None, [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]],
    }
    pq.write_table(pa.table(rows), tmp_path / "3BPA_train_300K.parquet")
    s = read("colabfit:3BPA_train_300K", tmp_path)
    assert s.ids == ("CO_1", "CO_2")
    assert s.pbc.tolist() == [[False] * 3, [True] * 3]
    assert not s.cell[0].any(), "a box around a free molecule is no cell"
    assert s.labels["energy"].isnan().tolist() == [False, True]
    assert s.labels["forces"][0].tolist() == [0.1, 0.0, 0.0]
    assert set(s.labels) == {"energy", "forces"}


def test_colabfit_stress_is_put_right() -> None:
    """As written: xx, yz', xz over the diagonal; kbar with the sign of pressure; the energy of one atom."""
    line = {
        "key": 3,
        "pos": [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]],
        "cell": np.eye(3).tolist(),
        "atomic_numbers": [29, 29],
        "pbc": [1, 1, 1],
        "potential-energy": -3.5,
        "force": np.zeros((2, 3)).tolist(),
        "stress": [[1.0, 4.0, 5.0], [0.0, 2.0, 6.0], [0.0, 0.0, 3.0]],
    }
    row = colabfit._corrected(line)
    assert row.labels["energy"] == -7.0
    expected = [[1.0, 6.0, 5.0], [6.0, 2.0, 4.0], [5.0, 4.0, 3.0]]
    np.testing.assert_allclose(row.labels["stress"], -KBAR * np.array(expected))


@pytest.mark.real
def test_real_colabfit_is_the_original(real_data) -> None:
    """Every frame is one of Zuo's, with its total energy, forces and six components of stress."""
    s = Structures.concatenate(find_source("colabfit:devset").read(real_data("matsciml_devsets")))
    text = io.StringIO(gzip.decompress((real_data("mlearn") / "Cu.extxyz.gz").read_bytes()).decode())
    frames = [f for f in ase.io.read(text, ":", format="extxyz") if f.info["split"] == "train"]
    assert len(s) == len(frames) == 262
    energies = np.array([f.get_potential_energy() for f in frames])
    cells = np.array([np.asarray(f.cell) for f in frames])
    matched = set()
    for k, (energy, cell) in enumerate(zip(s.labels["energy"], s.cell.numpy(), strict=True)):
        alike = (np.abs(energies - float(energy)) < 1e-4) & (np.abs(cells - cell).max((1, 2)) < 1e-4)
        atoms = slice(int(s.offsets[k]), int(s.offsets[k + 1]))
        forces = s.labels["forces"][atoms].numpy()
        j = next(j for j in np.flatnonzero(alike) if np.allclose(frames[j].get_forces(), forces, atol=1e-5))
        xx, yy, zz, xy, xz, yz = frames[j].info["virial_stress"] * -KBAR
        expected = [[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]
        np.testing.assert_allclose(s.labels["stress"][k], expected, atol=2e-5, err_msg=s.ids[k])
        matched.add(j)
    assert len(matched) == 262


@pytest.mark.real
def test_real_alexandria(real_data) -> None:
    devset = read("alexandria:devset", real_data("matsciml_devsets"))
    assert len(devset) == 98
    assert set(devset.labels) >= {
        "energy",
        "forces",
        "formation_energy",
        "energy_above_hull",
        "magnetic_moments",
    }
    sums = np.add.reduceat(devset.labels["forces"].numpy(), devset.offsets[:-1].numpy())
    assert np.abs(sums).max() < 1e-4
    random = read("alexandria:random_1k", real_data("mattersim_benchmarks"))
    assert len(random) == 1000
    per_atom = random.labels["energy"] / random.counts
    assert -15 < float(per_atom.min()) < float(per_atom.max()) < 0
    pressure = -random.labels["stress"].diagonal(dim1=1, dim2=2).mean(1) / GPA
    assert float(pressure.abs().median()) < 1, "relaxed crystals"


@pytest.mark.real
def test_real_carolina(real_data) -> None:
    s = Structures.concatenate(carolina.read(real_data("matsciml_devsets")))
    assert len(s) == 100
    lines = list(json_lines(real_data("matsciml_devsets") / carolina.FILE))
    np.testing.assert_allclose(s.volume, [float(line["_cell_volume"]) for line in lines], rtol=1e-9)
    first = s[0]
    distances = (first.positions[:, None] - first.positions).norm(dim=-1)
    assert first.formulas() == ["Ir8S6Tc"]
    assert 1.9 < float(distances[distances > 0].min()) < 2.6, "bonds in Å, not fractions of the cell"


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("nomad", 200), ("oqmd", 200), ("carolina", 100), ("colabfit:devset", 262),
        ("alexandria:devset", 98), ("alexandria:random_1k", 1000),
    ],
)  # fmt: skip
def test_real_sets_become_stores(data_root, tmp_path, monkeypatch, name, count) -> None:
    monkeypatch.setenv("ATOMSCAPE_CACHE", str(tmp_path))
    store = load(name)
    assert len(store) == count
    assert set(store.properties) <= {p.name for p in find_source(name).card.properties}
    assert len(set(store.ids)) == count
    store.verify()
