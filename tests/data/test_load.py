"""``load`` takes anything; conversions are made once, noticed when stale, and never half there."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import ase.build
import ase.io
import numpy as np
import pytest
import torch
from ase.calculators.singlepoint import SinglePointCalculator

from atomscape.data.card import Card
from atomscape.data.export import convert
from atomscape.data.get import catalogue, get
from atomscape.data.load import Reading, cache_folder, download_folder, load
from atomscape.data.sources import qm9
from atomscape.data.store import Store, write_store


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """A cache folder of this test alone, and no real data."""
    monkeypatch.setenv("ATOMSCAPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ATOMSCAPE_DATA", raising=False)
    return tmp_path / "cache"


def frames(n: int = 5) -> list[ase.Atoms]:
    """Rattled water and copper with energies and forces."""
    made = []
    for k in range(n):
        atoms = ase.build.molecule("H2O") if k % 2 else ase.build.bulk("Cu", cubic=True)
        atoms.rattle(0.05, seed=k)
        atoms.calc = SinglePointCalculator(atoms, energy=-float(k), forces=0.1 * k + atoms.positions)
        atoms.info["temperature"] = 100.0 * k
        made.append(atoms)
    return made


@pytest.fixture
def xyz(tmp_path) -> Path:
    path = tmp_path / "data.extxyz"
    ase.io.write(path, frames())
    return path


def assert_frames(store: Store, expected: list[ase.Atoms]) -> None:
    assert len(store) == len(expected)
    for k, atoms in enumerate(expected):
        s = store[k]
        assert s.numbers.tolist() == atoms.numbers.tolist()
        np.testing.assert_allclose(s.positions.numpy(), atoms.positions, atol=1e-8)
        np.testing.assert_allclose(s.labels["forces"].numpy(), atoms.get_forces(), atol=1e-8)
        assert float(s.labels["energy"]) == atoms.get_potential_energy()


@pytest.mark.parametrize(
    "name", ["data.extxyz", "data.xyz", "data.xyz.gz", "data.extxyz.gz", "data.traj", "data.db"]
)
def test_files_of_many_kinds(tmp_path, name) -> None:
    plain = tmp_path / name.removesuffix(".gz")
    ase.io.write(plain, frames(), **({"format": "extxyz"} if ".xyz" in name else {}))
    if name.endswith(".gz"):
        (tmp_path / name).write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()
    store = load(tmp_path / name)
    assert_frames(store, frames())
    assert store.card.name == "data"
    assert store.ids == ["0", "1", "2", "3", "4"]


def test_columns_are_on_the_card(xyz) -> None:
    card = load(xyz).card
    assert any(line.startswith("energy [eV] ← energy") for line in card.columns)
    assert any("temperature" in line for line in card.columns)
    assert card.n_structures == 5


def test_reading_says_which_column_and_unit(xyz) -> None:
    store = load(xyz, Reading(keys={"gap": "temperature"}, units={"gap": "meV"}))
    np.testing.assert_allclose(store.values("gap"), [0.0, 0.1, 0.2, 0.3, 0.4])
    with pytest.raises(LookupError, match="no column 'temprature'"):
        load(xyz, Reading(keys={"gap": "temprature"}))


def test_large_files_are_read_in_passes(xyz, monkeypatch) -> None:
    monkeypatch.setattr("atomscape.data.files.KEPT", 0)
    monkeypatch.setattr("atomscape.data.files.BATCH", 2)
    assert_frames(load(xyz), frames())


def test_converted_once_and_again_when_the_file_changes(xyz) -> None:
    first = load(xyz)
    assert load(str(xyz)).folder == first.folder
    ase.io.write(xyz, frames(6))
    assert len(load(xyz)) == 6
    assert load(xyz, Reading(units={"energy": "meV"})).values("energy")[1] == pytest.approx(-1e-3)


def test_broken_cache_is_noticed(xyz) -> None:
    shard = load(xyz).folder / "shard-00000.arrow"
    os.truncate(shard, 100)
    with pytest.raises(OSError, match="truncated"):
        load(xyz)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.xyz", "", "empty.xyz is empty"),
        ("text.xyz", "this is not\na structure\n", "text.xyz cannot be read"),
        ("cut.extxyz", "3\nProperties=species:S:1:pos:R:3\nH 0 0 0\n", "cut.extxyz cannot be read"),
        ("nan.extxyz", "1\nProperties=species:S:1:pos:R:3\nH nan 0 0\n", "nan.extxyz.*position"),
        ("what.unknown", "hello\n", "what.unknown cannot be read"),
        ("element.extxyz", "1\nProperties=species:S:1:pos:R:3\nXq 0 0 0\n", "element.extxyz cannot .*Xq"),
    ],
)  # fmt: skip
def test_bad_files(tmp_path, cache, name, content, message) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        load(tmp_path / name)
    assert not list(cache.glob("stores/*")), "nothing is left in the cache"


def test_folder_of_crystals(tmp_path) -> None:
    folder = tmp_path / "crystals"
    (folder / "b").mkdir(parents=True)
    for name, symbol in (("a.cif", "Cu"), ("c.cif", "Al")):
        ase.io.write(folder / name, ase.build.bulk(symbol))
    ase.io.write(folder / "b" / "POSCAR", ase.build.bulk("Si"), format="vasp")
    ase.io.write(folder / "POSCAR_two", ase.build.bulk("NaCl", "rocksalt", 5.6), format="vasp")
    (folder / "notes.txt").write_text("not a structure")
    store = load(folder)
    assert dict(zip(store.ids, store[:].formulas(), strict=True)) == {
        "POSCAR_two": "ClNa",
        "a": "Cu",
        "b": "Si2",
        "c": "Al",
    }
    assert bool(store[:].pbc.all())


def test_folder_with_an_unreadable_file(tmp_path) -> None:
    folder = tmp_path / "crystals"
    folder.mkdir()
    ase.io.write(folder / "good.cif", ase.build.bulk("Cu"))
    (folder / "bad.cif").write_text("data_nothing\n")
    with pytest.raises(ValueError, match=r"bad.cif.*skip_unreadable=True leaves such files out"):
        load(folder)
    store = load(folder, Reading(skip_unreadable=True))
    assert store.ids == ["good"]
    assert any(line.startswith("left out:") and "bad.cif" in line for line in store.card.columns)
    (folder / "good.cif").unlink()
    with pytest.raises(ValueError, match="none of 1 files can be read"):
        load(folder, Reading(skip_unreadable=True))
    (folder / "bad.cif").unlink()
    with pytest.raises(ValueError, match="no files of structures"):
        load(folder)


def test_unknown_names() -> None:
    with pytest.raises(LookupError, match="no named dataset; did you mean 'qm9'"):
        load("qm99")
    with pytest.raises(LookupError, match="is no file, no folder"):
        load("no/such/file.xyz")


def test_source_that_is_not_here(cache) -> None:
    with pytest.raises(FileNotFoundError, match=f"looked in {cache}.*atomscape data get qm9"):
        load("qm9")


def test_catalogue(tmp_path, monkeypatch) -> None:
    entries = {e.name: e for e in catalogue()}
    assert entries["qm9"].state == "to download"
    assert entries["qm9"].download_size == 86_144_227 + 486_752
    assert entries["materials_project"].download_size is None, "no size is stated there, so none is told"
    assert entries["sample"].state == "embedded"
    (tmp_path / "data" / "qm9").mkdir(parents=True)
    (tmp_path / "data" / "qm9" / "qm9.npz").touch()
    monkeypatch.setenv("ATOMSCAPE_DATA", str(tmp_path / "data"))
    assert {e.name: e.state for e in catalogue()}["qm9"] == "here"


def small_qm9(folder: Path) -> None:
    """A packed file with two molecules."""
    folder.mkdir(parents=True)
    np.savez(
        folder / qm9.PACKED,
        index=np.array([1, 3]),
        n_atoms=np.array([2, 1]),
        z=np.array([1, 1, 8]),
        pos=np.arange(9.0).reshape(3, 3),
        targets=np.array([[1.0, 2.0], [3.0, np.nan]]),
        target_names=np.array(["gap", "mu"]),
        target_units=np.array(["Ha", "D"]),
        split=np.array([0, 2]),
    )


def test_get_uses_what_is_there(tmp_path, monkeypatch) -> None:
    small_qm9(tmp_path / "data" / "qm9")
    monkeypatch.setenv("ATOMSCAPE_DATA", str(tmp_path / "data"))
    store = get("qm9")
    assert store.ids == ["gdb_1", "gdb_3"]
    assert store.card.splits == {"train": 1, "val": 0, "test": 1}
    assert "sha256" in store.card.provenance
    assert list(store.properties) == ["dipole_norm", "gap"], (
        "declared labels that the files lack are left out"
    )


def test_get_downloads_each_file(monkeypatch) -> None:
    asked = []

    def fetch(record, target: Path, ledger: Path, progress=None, offline=False) -> None:
        asked.append((record.url, target.name, ledger.name))
        if not (download_folder("qm9") / qm9.PACKED).exists():
            small_qm9(download_folder("qm9"))

    monkeypatch.setattr("atomscape.data.get.fetch", fetch)
    assert len(get("qm9")) == 2
    assert [name for _, name, _ in asked] == ["dsgdb9nsd.xyz.tar.bz2", "uncharacterized.txt"]
    assert {ledger for *_, ledger in asked} == {"checksums.json"}


def test_source_in_another_package(tmp_path, monkeypatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "mine.py").write_text(
        "from atomscape.data.sources.qm9 import card, inputs, read, splits\n"
        "card = card.with_counts(name='mine')\n"
    )
    small_qm9(tmp_path / "data" / "mine")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("ATOMSCAPE_DATA", str(tmp_path / "data"))
    store = load("elsewhere.mine")
    assert store.card.name == "mine"
    assert store.ids == ["gdb_1", "gdb_3"]
    with pytest.raises(LookupError, match=r"'elsewhere\.theirs' is no file"):
        load("elsewhere.theirs")


def test_cache_folder_follows_the_environment(monkeypatch, cache) -> None:
    assert cache_folder() == cache
    monkeypatch.delenv("ATOMSCAPE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/atomscape")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "atomscape"


def test_another_process_converts_the_same_file_meanwhile(xyz, cache, monkeypatch) -> None:
    """The one that comes second opens what the first has written."""

    def slowly(*args, **kwargs) -> Store:
        monkeypatch.setattr("atomscape.data.load.write_store", write_store)
        assert len(load(xyz)) == 5, "the other process"
        return write_store(*args, **kwargs)

    monkeypatch.setattr("atomscape.data.load.write_store", slowly)
    assert_frames(load(xyz), frames())
    assert len(list((cache / "stores").iterdir())) == 1


@pytest.mark.parametrize("name", ["out.extxyz", "out.xyz", "out.xyz.gz", "out.db", "out.traj", "out"])
def test_export_round_trip(xyz, tmp_path, name) -> None:
    store = load(xyz)
    target = convert(store, tmp_path / name)
    assert_frames(load(target), frames())
    with pytest.raises(FileExistsError, match="overwrite=True"):
        convert(store, target)
    convert(store, target, overwrite=True)
    assert not list(tmp_path.glob(".*")), "no hidden leftovers"


def test_converted_store_keeps_card_and_splits(tmp_path) -> None:
    s = load_small(tmp_path)
    again = Store.open(convert(s, tmp_path / "again"))
    assert again.card == s.card
    assert again.fingerprint == s.fingerprint
    np.testing.assert_array_equal(again.split("test"), s.split("test"))


def load_small(tmp_path: Path) -> Store:
    small_qm9(tmp_path / "packed")
    card = qm9.card.with_counts(provenance="a test")
    return write_store(tmp_path / "s", qm9.read(tmp_path / "packed"), card, qm9.splits(tmp_path / "packed"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("out.nonsense", "no format is known"),
        ("out.cube", "holds one structure"),
        ("out.res", "holds one|does not write"),
    ],
)
def test_export_to_formats_that_do_not_fit(xyz, tmp_path, name, message) -> None:
    with pytest.raises(ValueError, match=message):
        convert(load(xyz), tmp_path / name)
    assert not (tmp_path / name).exists()


def test_export_to_an_unwritable_place(xyz, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot write"):
        convert(load(xyz), tmp_path / "file" / "out.extxyz")


def test_unknown_labels_are_not_exported(tmp_path) -> None:
    store = load_small(tmp_path)
    convert(store, tmp_path / "out.extxyz")
    one, two = ase.io.read(tmp_path / "out.extxyz", ":")
    assert "dipole_norm" in one.info
    assert "dipole_norm" not in two.info
    assert one.info["id"] == "gdb_1"
    assert torch.isnan(load(tmp_path / "out.extxyz")[1].labels["dipole_norm"]).all()


def test_store_folder_is_opened_as_it_is(tmp_path) -> None:
    store = write_store(tmp_path / "s", [load_small(tmp_path / "x")[:]], Card(name="mine"))
    assert load(tmp_path / "s").fingerprint == store.fingerprint
    assert not cache_folder().exists()
