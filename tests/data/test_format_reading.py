"""Files of other people's making: spellings, layouts, pickles; read at their word."""

from __future__ import annotations

import gzip
import json
import pickle
import sys
import types
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from atomscape.data.convert import convert_any
from atomscape.data.foreign_rows import atoms_of
from atomscape.data.format import NotTrusted
from atomscape.data.load import load
from atomscape.data.reading import Reading
from atomscape.units import BOHR, HARTREE

lmdb = pytest.importorskip("lmdb")
h5py = pytest.importorskip("h5py")
TRUST = Reading(trust=True)
WATER = np.array([[0.0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> None:
    """A cache of this test alone."""
    monkeypatch.setenv("ATOMSCAPE_CACHE", str(tmp_path / "cache"))


class Data:
    """Stands for PyTorch Geometric's Data: what it holds lies in a store, in a mapping."""

    def __init__(self, **tensors):
        self.__dict__["_store"] = Storage(tensors)


class Storage:
    def __init__(self, mapping):
        self.__dict__.update(_mapping=mapping, _parent=None)


class Structure:
    def __init__(self, lattice, sites, charge=0):
        self._lattice, self._sites, self._charge = lattice, sites, charge


class Lattice:
    def __init__(self, matrix):
        self._matrix, self._pbc = np.array(matrix, dtype=float), (True, True, True)


class PeriodicSite:
    def __init__(self, element, share, coords, lattice):
        self._species, self._coords, self._frac_coords = Composition(element, share), None, np.array(coords)
        self._lattice = lattice


class Composition:
    def __init__(self, element, share):
        self._data = {Element(element): share}


class Element:
    def __init__(self, name):
        self.name = name

    def __reduce__(self):
        return Element, (self.name,)


HOMES = {
    Data: "torch_geometric.data.data",
    Storage: "torch_geometric.data.storage",
    Structure: "pymatgen.core.structure",
    Lattice: "pymatgen.core.lattice",
    PeriodicSite: "pymatgen.core.sites",
    Composition: "pymatgen.core.composition",
    Element: "pymatgen.core.periodic_table",
}


@pytest.fixture
def homes(monkeypatch) -> None:
    """Give the stand-ins the names of the real classes while they are pickled."""
    for kind, module in HOMES.items():
        parts = module.split(".")
        for name in (".".join(parts[:k]) for k in range(1, len(parts) + 1)):
            made = types.ModuleType(name)
            made.__path__ = []
            monkeypatch.setitem(sys.modules, name, made)
        monkeypatch.setattr(sys.modules[module], kind.__name__, kind, raising=False)
        monkeypatch.setattr(kind, "__module__", module)


def write_lmdb(path: Path, rows: list, subdir: bool = False, **extra: object) -> Path:
    with lmdb.open(str(path), subdir=subdir, map_size=2**24) as env, env.begin(write=True) as put:
        for k, row in enumerate(rows):
            put.put(str(k).encode(), pickle.dumps(row))
        for name, value in extra.items():
            put.put(name.encode(), pickle.dumps(value))
    return path


def test_open_catalyst(tmp_path, homes) -> None:
    rows = [
        Data(
            pos=torch.tensor(WATER, dtype=torch.float32) + k,
            atomic_numbers=torch.tensor([8.0, 1.0, 1.0]),
            cell=9 * torch.eye(3)[None],
            y=-10.0 - k,
            force=torch.full((3, 3), float(k)),
            fixed=torch.tensor([1.0, 0, 0]),
            natoms=3,
            sid=f"random{k // 2}",
            fid=k,
            edge_index=torch.zeros(2, 5, dtype=torch.long),
        )
        for k in range(12)
    ]
    path = write_lmdb(tmp_path / "data.0001.lmdb", rows, length=12)
    store = load(path, TRUST)
    assert store.ids[:3] == ["random0/0", "random0/1", "random1/2"]
    np.testing.assert_allclose(store.values("energy"), [-10.0 - k for k in range(12)])
    np.testing.assert_allclose(store[11].labels["forces"], np.full((3, 3), 11.0))
    assert store[0].pbc.all()
    assert store.properties["fixed"].per == "atom"
    assert "edge_index" not in store.properties
    folder = write_lmdb(tmp_path / "folder", rows[:2], subdir=True)
    assert len(load(folder, TRUST)) == 2


def test_pickles_need_trust(tmp_path) -> None:
    path = write_lmdb(tmp_path / "x.lmdb", [{"pos": WATER, "z": [8, 1, 1]}])
    with pytest.raises(NotTrusted, match=r"x\.lmdb holds pickles.*trust=True"):
        load(path)
    with pytest.raises(NotTrusted):
        load(path, Reading(skip_unreadable=True))
    assert load(path, TRUST)[:].formulas() == ["H2O"]


def test_a_malicious_row_stops_the_reading(tmp_path) -> None:
    class Evil:
        def __reduce__(self):
            return (exec, ("open('it_ran', 'w')",))

    path = write_lmdb(tmp_path / "x.lmdb", [{"pos": WATER, "z": [8, 1, 1]}, {"pos": Evil()}])
    with pytest.raises(ValueError, match=r"x\.lmdb cannot be read.*builtins\.exec"):
        load(path, TRUST)
    assert not Path("it_ran").exists()


def test_pymatgen(tmp_path, homes) -> None:
    lattice = Lattice([[4, 0, 0], [0, 4, 0], [0, 0, 4]])
    sites = [PeriodicSite("Cs", 1, [0, 0, 0], lattice), PeriodicSite("Cl", 1.0, [0.5, 0.5, 0.5], lattice)]
    row = {
        "structure": Structure(lattice, sites),
        "formation_energy_per_atom": -1.5,
        "material_id": "mp-1",
    }
    store = load(write_lmdb(tmp_path / "x.lmdb", [row]), TRUST)
    assert (store.ids, store[:].formulas()) == (["mp-1"], ["ClCs"])
    np.testing.assert_allclose(store[0].positions[1], [2, 2, 2])
    assert store.values("formation_energy").tolist() == [-1.5]
    disordered = {"structure": Structure(lattice, [PeriodicSite("Fe", 0.5, [0, 0, 0], lattice)])}
    with pytest.raises(ValueError, match="only full occupancies"):
        load(write_lmdb(tmp_path / "y.lmdb", [disordered]), TRUST)


def test_lists_and_collated_data(tmp_path, homes) -> None:
    rows = [
        Data(pos=torch.tensor(WATER) * (k + 1), z=torch.tensor([8, 1, 1]), y=torch.ones(1) * k)
        for k in range(3)
    ]
    torch.save(rows, tmp_path / "list.pt")
    with pytest.raises(NotTrusted):
        load(tmp_path / "list.pt")
    store = load(tmp_path / "list.pt", Reading(trust=True, keys={"gap": "y"}))
    assert store.values("gap").tolist() == [0, 1, 2]
    np.testing.assert_allclose(store[2].positions, WATER * 3)
    joined = Data(
        pos=torch.cat([torch.tensor(WATER), torch.tensor(WATER[:2])]),
        z=torch.tensor([8, 1, 1, 8, 1]),
        y=torch.tensor([5.0, 6.0]),
    )
    slices = {"pos": torch.tensor([0, 3, 5]), "z": torch.tensor([0, 3, 5]), "y": torch.tensor([0, 1, 2])}
    torch.save((joined, slices), tmp_path / "collated.pt")
    assert load(tmp_path / "collated.pt", TRUST)[:].formulas() == ["H2O", "HO"]


def test_plain_lists_need_no_trust(tmp_path) -> None:
    torch.save([{"pos": torch.tensor(WATER), "z": torch.tensor([8, 1, 1]), "energy": 1.0}], tmp_path / "x.pt")
    assert load(tmp_path / "x.pt").values("energy").tolist() == [1.0]


def test_colabfit_and_saved_datasets(tmp_path) -> None:
    """Columns of ColabFit; a folder as Hugging Face datasets saves it, in Arrow's stream format."""
    table = pa.table(
        {
            "positions": [WATER.tolist(), WATER[:2].tolist()],
            "atomic_numbers": [[8, 1, 1], [8, 1]],
            "cell": [(5 * np.eye(3)).tolist(), np.zeros((3, 3)).tolist()],
            "pbc": [[True] * 3, [False] * 3],
            "energy": [-1.0, None],
            "atomic_forces": [(0.1 * WATER).tolist(), None],
            "cauchy_stress": [(0.01 * np.eye(3)).tolist(), None],
            "configuration_id": ["CO_1", "CO_2"],
        }
    )
    pq.write_table(table, tmp_path / "x.parquet")
    folder = tmp_path / "saved"
    folder.mkdir()
    (folder / "dataset_info.json").write_text("{}")
    file = str(folder / "data-00000-of-00001.arrow")
    with pa.OSFile(file, "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    for path in (tmp_path / "x.parquet", folder):
        store = load(path)
        assert store[:].formulas() == ["H2O", "HO"]
        np.testing.assert_allclose(store.values("energy"), [-1, np.nan])
        np.testing.assert_allclose(store[0].labels["forces"], 0.1 * WATER)
        np.testing.assert_allclose(store[0].labels["stress"][0], 0.01 * np.eye(3))
        assert store[1].labels["forces"].isnan().all()
        assert store[:].pbc.tolist() == [[True] * 3, [False] * 3]


def test_ani_and_spice(tmp_path) -> None:
    conformers = np.stack([WATER, 1.1 * WATER])
    with h5py.File(tmp_path / "ani.h5", "w") as file:
        group = file.create_group("gdb/H2O")
        group["coordinates"], group["species"] = conformers, np.array([b"O", b"H", b"H"])
        group["energies"], group["smiles"] = np.array([-76.0, -75.9]), np.array([b"O"])
    store = load(tmp_path / "ani.h5", Reading(keys={"energy": "energies"}, units={"energy": "Ha"}))
    assert store.ids == ["gdb/H2O/0", "gdb/H2O/1"]
    np.testing.assert_allclose(store.values("energy"), np.array([-76.0, -75.9]) * HARTREE)
    with h5py.File(tmp_path / "spice.hdf5", "w") as file:
        group = file.create_group("water")
        group["conformations"], group["atomic_numbers"] = conformers / BOHR, np.array([8, 1, 1])
        group["conformations"].attrs["units"] = "bohr"
        group["energy"] = np.array([-76.0, -75.9])
        group["energy"].attrs["units"] = "hartree"
        group["gradient"] = conformers
        group["gradient"].attrs["units"] = "hartree/bohr"
    store = load(tmp_path / "spice.hdf5")
    np.testing.assert_allclose(store[0].positions, WATER, atol=1e-12)
    np.testing.assert_allclose(store.values("energy"), np.array([-76.0, -75.9]) * HARTREE)
    np.testing.assert_allclose(store[0].labels["forces"], -WATER * HARTREE / BOHR)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["weights"] = np.ones(3)
    with pytest.raises(ValueError, match=r"no structures found.*weights"):
        load(tmp_path / "other.h5")


@pytest.mark.parametrize("old", [False, True])
def test_metatrain_without_a_description(tmp_path, old) -> None:
    folder = tmp_path / "memmap"
    folder.mkdir()
    np.save(folder / ("N.npy" if old else "ns.npy"), 2)
    np.save(folder / ("n.npy" if old else "na.npy"), np.array([0, 3, 5]))
    np.concatenate([WATER, WATER[:2]]).astype(np.float32).tofile(folder / "x.bin")
    np.array([8, 1, 1, 8, 1], np.int32).tofile(folder / "a.bin")
    np.array([np.diag([5, 5, 0]), np.zeros((3, 3))], np.float32).tofile(folder / "c.bin")
    np.array([-1.5, -2.5], np.float32).tofile(folder / "energy.bin")
    np.ones((5, 3), np.float32).tofile(folder / "energy_forces.bin")
    store = load(folder)
    assert store.values("energy").tolist() == [-1.5, -2.5]
    assert store[1].labels["forces"].tolist() == [[1.0] * 3] * 2
    assert store[:].pbc.tolist() == [[True, True, False], [False] * 3]


def test_lines_of_json(tmp_path) -> None:
    """Pymatgen's dictionaries, nested columns, edges and angles, fractional coordinates."""
    sites = [{"species": [{"element": "Si", "occu": 1}], "abc": [0, 0, 0], "xyz": [0.0, 0, 0]}]
    lattice = {"matrix": (3 * np.eye(3)).tolist(), "pbc": [True] * 3}
    nested = {
        "structure": {"lattice": lattice, "sites": sites},
        "targets": {"regression": {"energy_total": 5}},
    }
    edges = {f"_cell_length_{name}": str(3 + k) for k, name in enumerate("abc")}
    angles = {f"_cell_angle_{name}": "90.0" for name in ("alpha", "beta", "gamma")}
    flat = {"frac_coords": [[0.5, 0.5, 0.5]], "atomic_numbers": [14], "total_energy": -5.5}
    with gzip.open(tmp_path / "x.jsonl.gz", "wt") as file:
        file.write(json.dumps(nested) + "\n\n")
    assert load(tmp_path / "x.jsonl.gz").values("energy").tolist() == [5]
    (tmp_path / "y.jsonl").write_text(json.dumps(flat | edges | angles) + "\n")
    found = load(tmp_path / "y.jsonl")
    np.testing.assert_allclose(found[0].positions, [[1.5, 2.0, 2.5]])
    (tmp_path / "z.jsonl").write_text('{"energy": 1.0}\n')
    with pytest.raises(ValueError, match="no positions and elements in a row with energy"):
        load(tmp_path / "z.jsonl")


def test_another_unit_of_length(tmp_path) -> None:
    (tmp_path / "x.jsonl").write_text(json.dumps({"pos": (WATER * 1e-10).tolist(), "z": [8, 1, 1]}) + "\n")
    np.testing.assert_allclose(
        load(tmp_path / "x.jsonl", Reading(units={"positions": "m"}))[0].positions, WATER
    )


def test_unknown_elements_are_said() -> None:
    with pytest.raises(ValueError, match="no element is called 'Q'"):
        atoms_of({"pos": [[0, 0, 0]], "species": ["Q"]})


def test_folder_of_several_formats(tmp_path) -> None:
    """Files of a folder are each read by their format; names tell where a structure is from."""
    folder = tmp_path / "mixed"
    (folder / "deep").mkdir(parents=True)
    row = {"pos": WATER.tolist(), "z": [8, 1, 1], "energy": -1.0}
    (folder / "a.jsonl").write_text(json.dumps(row) + "\n" + json.dumps(row) + "\n")
    write_lmdb(folder / "deep" / "b.lmdb", [row])
    (folder / "c.xyz").write_text("1\n\nH 0 0 0\n")
    (folder / "notes.md").write_text("not data")
    store = load(folder, TRUST)
    assert store.ids == ["a/0", "a/1", "c", "deep/b/0"]
    convert_any(folder, tmp_path / "out.h5", TRUST)
    assert len(load(tmp_path / "out.h5")) == 4


REAL = {  # rows, formula of the first, and a trap that the raw reading must keep
    "alexandria": (98, "Ac3"),
    "carolina_db": (100, "Ir8S6Tc"),
    "colabfit": (262, "Cu8"),
    "nomad": (200, "O4"),
    "oqmd": (200, "Mn2N2O2Yb2"),
}


@pytest.mark.real
@pytest.mark.parametrize("name", REAL)
def test_open_matsciml(real_data, name) -> None:
    """The LMDB and its copy as lines of JSON give the same structures."""
    folder = real_data("matsciml_devsets")
    units = {"colabfit": {"stress": "eV/Å³"}, "nomad": {"positions": "m"}}.get(name, {})
    store = load(folder / f"{name}.lmdb", Reading(trust=True, units=units))
    lines = load(folder / f"{name}.jsonl.gz", Reading(units=units))
    assert (len(store), store[0].formulas()[0]) == REAL[name]
    order = lines.rows_of(store.ids)
    assert [lines[:].formulas()[k] for k in order] == store[:].formulas()
    np.testing.assert_allclose(lines[order].positions, store[:].positions, atol=1e-9)
    if name == "oqmd":
        assert float(store[:].positions.max()) < 1.01, "fractions of the cell, called Cartesian by the file"
    if name == "colabfit":
        per_atom = store.values("energy") / 1.0
        assert (per_atom > -4.2).all(), "an energy per atom, called the energy by the file"
        assert (per_atom < -3.0).all()


@pytest.mark.real
def test_open_matsciml_of_pymatgen(real_data) -> None:
    store = load(real_data("matsciml_devsets") / "materials_project.lmdb", TRUST)
    assert len(store) == 200
    assert store[0].formulas() == ["Ac3"]
    assert {"formation_energy", "gap"} <= store.properties.keys()


@pytest.mark.real
def test_metres_called_positions_are_refused(real_data) -> None:
    with pytest.raises(ValueError, match="singular"):
        load(real_data("matsciml_devsets") / "nomad.jsonl.gz")


@pytest.mark.parametrize(
    "suffix", ["h5", "parquet", "aselmdb", "lmdb", "db", "jsonl.gz", "smi", "pt", "cif", "xyz"]
)
def test_noise_is_told_by_the_name_of_its_file(tmp_path, suffix) -> None:
    """Whatever a file is called, noise in it is one clear error that names it, and can be left out."""
    path = tmp_path / f"noise.{suffix}"
    path.write_bytes(np.random.default_rng(0).bytes(1000))
    for trust in (True, False) if suffix != "pt" else (True,):
        with pytest.raises(ValueError, match=f"noise.{suffix} "):
            convert_any(path, tmp_path / "out", Reading(trust=trust))
    (tmp_path / "good.extxyz").write_text("1\n\nH 0 0 0\n")
    done = convert_any(tmp_path, tmp_path / "out", Reading(trust=True, skip_unreadable=True))
    assert done.structures == 1
