"""OC20's LMDB files: rows as PyTorch Geometric pickles them, of old and new versions, read without it."""

from __future__ import annotations

import pickle
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from atomscape.atoms.structures import Structures
from atomscape.data.boxes import UnsafePickle
from atomscape.data.load import load
from atomscape.data.named import find_source
from atomscape.data.open_catalyst import TOTAL, shortest, split_files
from atomscape.data.sources import carbon_duplicates, oc20

lmdb = pytest.importorskip("lmdb")

CELL = torch.tensor([[8.0, 0, 0], [1.0, 8.0, 0], [0, 0, 20.0]])
START = torch.tensor([[0.1, 0.2, 5.0], [2.0, 2.0, 7.0], [2.0, 2.0, 9.0]])
WAY = torch.tensor([[0.0, 0, 0], [-0.25, 0.5, 0], [0.5, 0, -1.5]])


class OldData:
    """Stands for ``Data`` before version 2: tensors are its attributes, unknown ones None."""

    __module__, __qualname__ = "torch_geometric.data.data", "Data"

    def __init__(self, **tensors):
        self.x = self.y = self.edge_attr = self.normal = self.face = None
        self.__dict__.update(tensors)


class NewData:
    """Stands for ``Data`` since version 2: a store holds them, and refers back to what it belongs to."""

    __module__, __qualname__ = "torch_geometric.data.data", "Data"

    def __init__(self, **tensors):
        self.__dict__["_edge_attr_cls"] = GlobalStorage
        self.__dict__["_store"] = GlobalStorage(tensors, self)


class GlobalStorage:
    __module__ = "torch_geometric.data.storage"

    def __init__(self, mapping, parent):
        self.__dict__.update(_mapping=mapping, _parent=parent)


def dumps(row: object) -> bytes:
    """Pickle a stand-in under the name of the real class, whose module is there for this moment only."""
    modules = {name: types.ModuleType(name) for name in ("torch_geometric", "torch_geometric.data")}
    for kind in (type(row), GlobalStorage):
        module = modules.setdefault(kind.__module__, types.ModuleType(kind.__module__))
        setattr(module, kind.__qualname__, kind)
    with pytest.MonkeyPatch.context() as patch:
        for name, module in modules.items():
            patch.setitem(sys.modules, name, module)
        return pickle.dumps(row, protocol=-1)


def write(path: Path, rows: list[bytes], length: bool = True) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with lmdb.open(str(path), subdir=False, map_size=2**24) as env, env.begin(write=True) as put:
        for k, row in enumerate(rows):
            put.put(str(k).encode(), row)
        if length:
            put.put(b"length", pickle.dumps(len(rows), protocol=-1))
    return path


def slab(**more: object) -> dict[str, object]:
    return {
        "atomic_numbers": torch.tensor([29.0, 29.0, 8.0]),
        "pos": START.clone(),
        "cell": CELL[None],
        "natoms": 3,
        "tags": torch.tensor([0, 1, 2]),
        "fixed": torch.tensor([1.0, 0.0, 0.0]),
        "edge_index": torch.zeros(2, 7, dtype=torch.long),
        "cell_offsets": torch.zeros(7, 3),
        **more,
    }


def initial(sid: object, y: float = -0.5) -> dict[str, object]:
    """A row of IS2RE; the second atom leaves the cell and comes back at the other side."""
    later = START + WAY + torch.tensor([[0.0, 0, 0], [1.0, 8.0, 0], [0, 0, 0]])
    return slab(sid=sid, y_init=y + 1, y_relaxed=y, pos_relaxed=later, force=torch.ones(3, 3) * y)


def frame(sid: int, fid: int, y: float = -0.5) -> dict[str, object]:
    return slab(
        sid=torch.IntTensor([sid]),
        fid=torch.IntTensor([fid]),
        y=torch.tensor([y]),
        force=torch.ones(3, 3) * fid,
    )


@pytest.fixture(params=[OldData, NewData])
def data(request) -> type:
    return request.param


def read(part: str, folder: Path) -> Structures:
    return Structures.concatenate(oc20.parts[part].read(folder))


def test_initial_and_relaxed(tmp_path, data) -> None:
    path = tmp_path / "is2re/all/train/data.lmdb"
    write(path, [dumps(data(**initial(2472718))), dumps(data(**initial(torch.tensor([5]), -1.5)))])
    assert "torch_geometric" not in sys.modules
    assert oc20.parts["is2re"].inputs(tmp_path) == [path]
    assert oc20.parts["s2ef"].inputs(tmp_path) == []
    s = read("is2re", tmp_path)
    assert s.ids == ("random2472718/0", "random5/0")
    assert s.formulas() == ["Cu2O", "Cu2O"]
    assert bool(s.pbc.all())
    np.testing.assert_allclose(s[0].positions, START.double(), atol=1e-6)
    np.testing.assert_allclose(s[1].cell[0], CELL)
    assert s.labels["adsorption_energy"].tolist() == [0.5, -0.5]
    assert s.labels["relaxed_adsorption_energy"].tolist() == [-0.5, -1.5]
    assert s.labels["fixed"].tolist() == [1, 0, 0] * 2
    assert s.labels["tags"].tolist() == [0, 1, 2] * 2
    assert s[1].labels["forces"].tolist() == [[-1.5] * 3] * 3
    assert not {"energy", "relaxed_energy", "displacements"} & set(s.labels), "they are not known"
    moved = read("is2rs", tmp_path)
    np.testing.assert_allclose(moved[0].labels["displacements"], WAY, atol=1e-5)
    assert "relaxed_adsorption_energy" not in moved.labels


def test_frames_of_several_files(tmp_path, data) -> None:
    rows = [dumps(data(**frame(7, k, -0.25 * k))) for k in range(12)]
    folder = tmp_path / "s2ef/200k/train"
    write(folder / "data.0000.lmdb", rows[:11])
    write(folder / "data.0001.lmdb", rows[11:], length=False)
    assert [p.name for p in oc20.parts["s2ef"].inputs(tmp_path)] == ["data.0000.lmdb", "data.0001.lmdb"]
    s = read("s2ef", tmp_path)
    assert s.ids == tuple(f"random7/{k}" for k in range(12)), "numbers, not text, give the order"
    assert s.labels["adsorption_energy"].tolist() == [-0.25 * k for k in range(12)]
    assert s[11].labels["forces"].tolist() == [[11.0] * 3] * 3
    assert "energy" not in s.labels


def test_frames_named_in_a_log(tmp_path) -> None:
    """Files of the first scripts have no sid and fid in their rows, and lines beside them."""
    write(tmp_path / "data.0003.lmdb", [dumps(OldData(**slab(y=-0.5))), dumps(OldData(**slab(y=-0.75)))])
    with pytest.raises(ValueError, match=r"row 0 of .*data.0003.lmdb has no sid and fid.*data_log.0003.txt"):
        read("s2ef", tmp_path)
    (tmp_path / "data_log.0003.txt").write_text("random12,frame3\nrandom8,frame0\n")
    assert read("s2ef", tmp_path).ids == ("random12/3", "random8/0")
    (tmp_path / "data_log.0003.txt").write_text("random12,frame3\n")
    with pytest.raises(ValueError, match="row 1 of"):
        read("s2ef", tmp_path)


def test_published_splits(tmp_path) -> None:
    """The largest training set stands for all; sets for testing have no labels."""
    sizes = {"10k/train": 1, "100k/train": 2, "all/test_id": 2, "all/val_ood_ads": 1, "all/val_id": 3}
    at = 0
    for place, n in sizes.items():
        hide = ("y_init", "y_relaxed", "pos_relaxed", "force") if "test" in place else ()
        rows = [{k: v for k, v in initial(at + k).items() if k not in hide} for k in range(n)]
        write(tmp_path / "is2re" / place / "data.lmdb", [dumps(NewData(**row)) for row in rows])
        at += n
    part = oc20.parts["is2rs"]
    assert [p.parent.name for p in part.inputs(tmp_path)] == ["train", "test_id", "val_id", "val_ood_ads"]
    rows = {k: v.tolist() for k, v in part.splits(tmp_path).items()}
    assert rows == {"train": [0, 1], "test_id": [2, 3], "val_id": [4, 5, 6], "val_ood_ads": [7]}
    s = read("is2rs", tmp_path)
    assert s.ids[:4] == ("random1/0", "random2/0", "random3/0", "random4/0")
    known = ~s.labels["displacements"].isnan().any(dim=1).reshape(-1, 3).any(dim=1)
    assert known.tolist() == [True, True, False, False, True, True, True, True]
    assert oc20.parts["s2ef"].splits(tmp_path) == {}
    write(tmp_path / "is2re/all/train/data.lmdb", [dumps(NewData(**initial(99)))])
    assert "all/train" in part.inputs(tmp_path)[0].parent.as_posix()


def test_files_without_folders_are_no_splits(tmp_path) -> None:
    write(tmp_path / "data.lmdb", [dumps(NewData(**initial(1)))])
    write(tmp_path / "mine/data.lmdb", [dumps(NewData(**initial(2)))])
    assert list(split_files(tmp_path, oc20.RELAXATIONS)) == ["", "mine"]
    rows = oc20.parts["is2re"].splits(tmp_path)
    assert {k: v.tolist() for k, v in rows.items()} == {"mine": [1]}


@pytest.mark.parametrize("part", ["s2ef", "is2re"])
def test_total_energies_are_refused(tmp_path, part) -> None:
    """Of files made without references, and of OC22, whose layout is the same."""
    if part == "s2ef":
        write(
            tmp_path / "data.0000.lmdb",
            [dumps(OldData(**frame(1, k, y))) for k, y in enumerate([-12.0, -13.0])],
        )
    else:
        write(tmp_path / "data.lmdb", [dumps(NewData(**initial(1, -12.0)))])
    with pytest.raises(ValueError, match=r"total energies, -12.0 eV for the 3 atoms of random1/0.*--trust"):
        read(part, tmp_path)


def test_what_is_no_row(tmp_path) -> None:
    row = initial(1)
    write(tmp_path / "data.lmdb", [dumps(OldData(**{k: v for k, v in row.items() if k != "cell"}))])
    with pytest.raises(ValueError, match=r"row 0 of .*data.lmdb has no cell; it has .*atomic_numbers"):
        read("is2re", tmp_path)
    write(tmp_path / "data.lmdb", [dumps(OldData(**{k: v for k, v in row.items() if k != "sid"}))])
    with pytest.raises(ValueError, match="has no sid"):
        read("is2re", tmp_path)


def test_a_row_that_wants_to_run_is_refused(tmp_path, monkeypatch) -> None:
    class Evil:
        def __reduce__(self):
            return (exec, ("open('it_ran', 'w')",))

    monkeypatch.chdir(tmp_path)
    write(tmp_path / "data.lmdb", [dumps(NewData(**initial(1) | {"pos": Evil()}))])
    with pytest.raises(UnsafePickle, match=r"builtins\.exec"):
        read("is2re", tmp_path)
    assert not (tmp_path / "it_ran").exists()


def test_by_name_no_trust_is_asked_for(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("ATOMSCAPE_DATA", str(tmp_path))
    monkeypatch.setenv("ATOMSCAPE_CACHE", str(tmp_path / "cache"))
    rows = [dumps(NewData(**initial(k))) for k in range(3)]
    write(tmp_path / "oc20/is2re/10k/train/data.lmdb", rows[:2])
    write(tmp_path / "oc20/is2re/all/val_id/data.lmdb", rows[2:])
    store = load("oc20:is2re")
    assert store.ids == ["random0/0", "random1/0", "random2/0"]
    assert store.values("relaxed_adsorption_energy").tolist() == [-0.5] * 3
    assert store.card.splits == {"train": 2, "val_id": 1}
    assert "calls nothing, so no trust" in store.card.description
    assert "energy" not in store.properties


def test_the_shortest_way() -> None:
    way = torch.tensor([[4.1, 0, 0], [0.5, 4.1, 0.0], [0, 0, 9.9]], dtype=torch.float64)
    expected = torch.tensor([[-3.9, 0, 0], [-0.5, -3.9, 0], [0, 0, 9.9]], dtype=torch.float64)
    torch.testing.assert_close(shortest(way, CELL.double()), expected)


def test_carbon_as_published(tmp_path) -> None:
    """Dictionaries with Cartesian coordinates, one crystal in two cells."""
    cell = torch.eye(3, dtype=torch.float64) * 3.567
    row = {
        "cell": cell,
        "pos": torch.tensor([[0.0, 0, 0], [0.25, 0.25, 0.25]], dtype=torch.float64) @ cell,
        "atomic_numbers": torch.tensor([6, 6]),
        "pbc": torch.tensor([True, True, True]),
        "energy": torch.tensor(-1.0),
    }
    double = row | {
        "cell": torch.diag(torch.tensor([2.0, 1, 1], dtype=torch.float64)) @ cell,
        "pos": torch.cat([row["pos"], row["pos"] + cell[0]]),
        "atomic_numbers": torch.full((4,), 6),
    }
    write(tmp_path / carbon_duplicates.PUBLISHED, [pickle.dumps(r) for r in (row, double)])
    s = Structures.concatenate(find_source("carbon_duplicates").read(tmp_path))
    assert s.ids == ("carbon/0", "carbon/1")
    assert s.formulas() == ["C2", "C4"]
    assert set(s.labels) == {"density", "volume_per_atom"}
    assert float(s.labels["density"][0]) == pytest.approx(float(s.labels["density"][1]))
    np.testing.assert_allclose(s[1].positions[3], [3.567 * 1.25, 3.567 / 4, 3.567 / 4])


@pytest.mark.real
def test_real_totals_are_told_from_adsorption(real_data) -> None:
    """Total energies per atom of all relaxations lie below the bound, whatever the slab is made of."""
    s = read("is2re", real_data("oc20"))
    per_atom = s.labels["energy"] / torch.bincount(s.structure)
    assert len(s) == 24
    assert float(per_atom.max()) < TOTAL
    assert float(per_atom.median()) < 4 * TOTAL
