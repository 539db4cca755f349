"""Formats: what is written is read again, to the last bit where the format has room for it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from atomscape.atoms.properties import Property
from atomscape.atoms.structures import Structures
from atomscape.data.atomic import hidden_file
from atomscape.data.card import Card, records
from atomscape.data.convert import convert_any
from atomscape.data.format import KIND, Format, Writer, format_of, read_by, writer_of
from atomscape.data.load import load
from atomscape.data.reading import Reading
from atomscape.data.store import Store, write_store
from atomscape.find import available, find
from atomscape.o3.irreps import Irreps

EXACT = ["out.parquet", "out.h5", "out.aselmdb", "out.db", "out.pt", "out"]
WRITTEN = [*EXACT, "out.memmap", "out.extxyz"]
DENSITY = Property("density", "g/cm³", "structure", Irreps("0e"), False)
TRIPLE = Property("triple", "", "structure", Irreps("3x0e"), False, None, (3,))
ORDER = Property("order", "1", "atom", Irreps("0e"), False)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> None:
    """A cache of this test alone."""
    monkeypatch.setenv("ATOMSCAPE_CACHE", str(tmp_path / "cache"))


def structures(n: int = 6) -> Structures:
    """Molecules, slabs, crystals and a free atom, with labels of all kinds, some of them unknown."""
    rng = np.random.default_rng(0)
    made = []
    for k in range(n):
        atoms = (3, 1, 4, 2, 5, 3)[k % 6]
        pbc = ((False,) * 3, (True, True, False), (True,) * 3)[k % 3]
        cell = (4 * np.eye(3) + rng.normal(size=(3, 3)) * 0.3) * np.array(pbc)[:, None]
        stress = rng.normal(size=(3, 3)) * 0.01
        labels = {
            "energy": rng.normal() * 1e4 if k != 1 else np.nan,
            "forces": rng.normal(size=(atoms, 3)) if k != 2 else np.full((atoms, 3), np.nan),
            "stress": stress + stress.T if all(pbc) else np.full((3, 3), np.nan),
            "polarizability": rng.normal(size=(3, 3)),
            "charges": rng.normal(size=atoms),
            "total_spin": 1.0,
            "density": rng.normal(),
        }
        one = Structures.of(
            rng.normal(size=(atoms, 3)) * 2, rng.integers(1, 90, atoms), cell, pbc, labels, f"run/{k}"
        )
        one = one.with_labels(triple=torch.from_numpy(rng.normal(size=(1, 3))))
        order = torch.from_numpy(rng.normal(size=atoms))
        made.append(replace(one, labels={**one.labels, "order": order}, atom_labels=frozenset({"order"})))
    return Structures.concatenate(made)


@pytest.fixture
def store(tmp_path) -> Store:
    batch = structures()
    vocabulary = [n for n in batch.labels if n not in ("density", "triple", "order")]
    card = Card(name="mixed", licence="CC0", properties=records(*vocabulary, DENSITY, TRIPLE, ORDER))
    return write_store(tmp_path / "store", [batch[:2], batch[2:]], card)


def assert_same(found: Structures, expected: Structures, exact: bool, atol: float = 1e-7) -> None:
    def close(a: torch.Tensor, b: torch.Tensor, what: str) -> None:
        rtol, tolerance = (0, 0) if exact else (1e-6, atol)
        torch.testing.assert_close(
            a.double(), b.double(), rtol=rtol, atol=tolerance, equal_nan=True, msg=what
        )

    assert found.ids == expected.ids
    assert torch.equal(found.numbers, expected.numbers)
    assert torch.equal(found.pbc, expected.pbc)
    assert torch.equal(found.structure, expected.structure)
    close(found.positions, expected.positions, "positions")
    close(found.cell, expected.cell, "cell")
    assert set(found.labels) == set(expected.labels)
    for name, values in expected.labels.items():
        assert found.runs_over_atoms(name) == expected.runs_over_atoms(name), name
        close(found.labels[name], values, name)


@pytest.mark.parametrize("name", WRITTEN)
def test_round_trip(store, tmp_path, name) -> None:
    done = convert_any(store.folder, tmp_path / name)
    assert (done.structures, done.atoms) == (len(store), store.card.n_atoms)
    again = load(tmp_path / name)
    assert_same(again[:], store[:], exact=name in EXACT)
    if name != "out.extxyz":
        assert again.properties["density"].unit == "g/cm³"
        assert again.properties["order"].per == "atom"
    assert not list(tmp_path.glob(".*")), "no hidden leftovers"


@pytest.mark.parametrize("name", WRITTEN)
def test_single_atoms_keep_their_kinds(tmp_path, name) -> None:
    """With one atom in each structure nothing but the description tells atoms from structures."""
    one = structures(2)[1]
    batch = Structures.concatenate([replace(one, ids=(f"{k}",)) for k in range(3)])
    card = Card(name="single", properties=records("energy", "forces", "charges", TRIPLE, ORDER, DENSITY))
    written = write_store(tmp_path / "store", [batch], card)
    convert_any(written.folder, tmp_path / name)
    again = load(tmp_path / name)
    for label in ("charges", "order", "forces"):
        assert again.properties[label].per == "atom"
    assert again.properties["triple"].shape == (3,)


@pytest.mark.parametrize("name", WRITTEN)
def test_no_labels_and_no_ids(tmp_path, name) -> None:
    batch = structures(4)
    bare = replace(batch, labels={}, ids=(), atom_labels=frozenset())
    written = write_store(tmp_path / "store", [bare], Card(name="bare"))
    convert_any(written.folder, tmp_path / name)
    again = load(tmp_path / name)
    assert again.ids == ["0", "1", "2", "3"]
    assert not again.properties
    np.testing.assert_allclose(again.values("positions"), written.values("positions"), atol=1e-6)


@pytest.mark.parametrize("name", WRITTEN)
def test_ids_may_repeat(tmp_path, name) -> None:
    batch = replace(structures(3), ids=("same", "same", "other"))
    written = write_store(tmp_path / "store", [batch], Card(name="repeats"))
    convert_any(written.folder, tmp_path / name)
    assert load(tmp_path / name).ids == ["same", "same", "other"]


def test_a_label_known_nowhere_stays_a_label(tmp_path) -> None:
    batch = structures(2).with_labels(gap=torch.full((2,), torch.nan, dtype=torch.float64))
    written = write_store(tmp_path / "store", [batch], Card(name="unknown"))
    for name in EXACT:
        convert_any(written.folder, tmp_path / name)
        assert torch.isnan(load(tmp_path / name)[:].labels["gap"]).all()


def test_free_atoms_are_marked_in_every_batch(tmp_path, monkeypatch) -> None:
    """The mark may first come up late; formats with fixed columns have it from the beginning."""
    import ase
    import ase.io

    monkeypatch.setattr("atomscape.data.files.BATCH", 1)
    frames = [ase.Atoms("H2", [[0, 0, 0], [0, 0, 0.7]]), ase.Atoms("H")]
    frames[1].info["config_type"] = "IsolatedAtom"
    ase.io.write(tmp_path / "in.extxyz", frames)
    convert_any(tmp_path / "in.extxyz", tmp_path / "out.parquet")
    assert load(tmp_path / "out.parquet").values("isolated_atom").tolist() == [0.0, 1.0]


@pytest.mark.parametrize("name", WRITTEN)
def test_the_same_data_make_the_same_file(store, tmp_path, name) -> None:
    """No times, users or random names are in the files (databases of ASE have them)."""
    if name == "out.db":
        pytest.skip("ASE writes the time into its databases")

    def content(path: Path) -> list[bytes]:
        return [p.read_bytes() for p in sorted(path.rglob("*") if path.is_dir() else [path]) if p.is_file()]

    convert_any(store.folder, tmp_path / name)
    (tmp_path / "twice").mkdir()
    convert_any(store.folder, tmp_path / "twice" / name)
    assert content(tmp_path / name) == content(tmp_path / "twice" / name)


@pytest.mark.parametrize("name", [n for n in WRITTEN if n != "out"])
def test_nothing_is_replaced_unasked(store, tmp_path, name) -> None:
    convert_any(store.folder, tmp_path / name)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        convert_any(store.folder, tmp_path / name)
    convert_any(store.folder, tmp_path / name, overwrite=True)
    assert len(load(tmp_path / name)) == len(store)


@pytest.mark.parametrize("name", [n for n in WRITTEN if n != "out"])
def test_a_failed_writing_leaves_nothing(store, tmp_path, name, monkeypatch) -> None:
    def batches(*_: object):
        yield store[:2]
        raise OSError("disk full")

    monkeypatch.setattr("atomscape.data.convert.batches_of", batches)
    with pytest.raises(OSError, match="disk full"):
        convert_any(store.folder, tmp_path / name)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["store"]


def test_every_format_says_what_it_is() -> None:
    names = available(KIND)
    assert names
    for name in names:
        module = find(KIND, name)
        assert isinstance(module, Format | Writer), name
        assert module.title
        assert all(suffix.startswith(".") for suffix in module.suffixes), name


def test_formats_recognise_their_own_files_only(store, tmp_path) -> None:
    for name in ("out.parquet", "out.h5", "out.aselmdb", "out.pt", "out.memmap", "out.extxyz"):
        convert_any(store.folder, tmp_path / name)
        recognised = [f for f in available(KIND) if read_by(f).inputs(tmp_path / name)]
        assert recognised == ([format_of(tmp_path / name)] if format_of(tmp_path / name) else [])
    assert [f for f in available(KIND) if read_by(f).inputs(store.folder)] == []
    assert [f for f in available(KIND) if read_by(f).inputs(tmp_path / "absent.h5")] == []
    assert writer_of(tmp_path / "x.PARQUET") is find(KIND, "parquet")


def test_from_foreign_to_foreign_makes_no_copy(store, tmp_path) -> None:
    convert_any(store.folder, tmp_path / "a.parquet")
    convert_any(tmp_path / "a.parquet", tmp_path / "b.h5")
    assert not (tmp_path / "cache").exists()
    assert_same(load(tmp_path / "b.h5")[:], store[:], exact=True)


def test_pieces_are_the_file(store, tmp_path, monkeypatch) -> None:
    """Ranges of an indexed format, read one by one, are all of its structures with the same ids."""
    for name in ("parquet", "hdf5", "ase_lmdb", "metatrain_memmap"):
        path = tmp_path / f"out{find(KIND, name).suffixes[0]}"
        if hasattr(find(KIND, name), "ROWS"):
            monkeypatch.setattr(f"atomscape.data.formats.{name}.ROWS", 2)
        monkeypatch.setattr("atomscape.data.convert.BATCH", 2)
        convert_any(store.folder, path)
        pieces = read_by(name).pieces(path)
        assert len(pieces) == 3
        assert [p.first for p in pieces] == [0, 2, 4]
        rows = [a.info["id"] for p in pieces for a in read_by(name).rows(p, Reading())]
        assert rows == list(store.ids)


@pytest.mark.parametrize("suffix", ["extxyz", "h5"])
def test_many_processes_write_the_same_store(store, tmp_path, suffix, monkeypatch) -> None:
    monkeypatch.setattr("atomscape.data.convert.BATCH", 2)
    monkeypatch.setattr("atomscape.data.formats.extended_xyz.RANGE", 2000)
    convert_any(store.folder, tmp_path / f"in.{suffix}")
    assert suffix == "h5" or len(read_by("extended_xyz").pieces(tmp_path / "in.extxyz")) > 1
    one = convert_any(tmp_path / f"in.{suffix}", tmp_path / "one")
    two = convert_any(tmp_path / f"in.{suffix}", tmp_path / "two", jobs=2)
    assert (one.structures, one.atoms) == (two.structures, two.atoms)
    assert_same(Store.open(tmp_path / "two")[:], Store.open(tmp_path / "one")[:], exact=True)


def test_what_a_killed_writer_left_is_swept_away(store, tmp_path) -> None:
    """By the next one that writes the same file; what a living writer is at stays."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    living = hidden_file(tmp_path / "out.extxyz")
    left = living.with_name(living.name.replace(f"~{os.getpid()}~", f"~{dead.pid}~"))
    other = left.with_name(left.name.replace("out.extxyz", "other.extxyz"))
    for path in (living, left, other):
        path.write_text("")
    convert_any(store.folder, tmp_path / "out.extxyz")
    assert sorted(tmp_path.glob(".*")) == sorted([living, other])


def test_a_missing_library_is_told_with_the_name_of_the_file(store, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r"out\.h5 is HDF5, which needs h5py") as raised:
        convert_any(store.folder, tmp_path / "out.h5")
    assert ".part" not in str(raised.value)


def test_what_ase_keeps_of_a_cif_is_no_label(tmp_path) -> None:
    import ase.build
    import ase.io

    ase.io.write(tmp_path / "a.cif", ase.build.bulk("NaCl", "rocksalt", a=5.64))
    assert not load(tmp_path / "a.cif").properties
