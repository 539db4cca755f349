"""The store gives back exactly what was written, in any order, and says so when it cannot."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase.data import atomic_numbers

from atomscape.atoms.properties import PROPERTIES, free_property
from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, records
from atomscape.data.record import CARD, SPLITS
from atomscape.data.shards import BrokenStore
from atomscape.data.store import Store, write_store


def structures(n: int, seed: int = 0) -> Structures:
    """Random structures of 1 to 9 atoms with scalar, vector and tensor labels, some of them unknown."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 10, n)
    total = int(counts.sum())
    pbc = rng.random((n, 1)) < 0.5
    cell = np.where(pbc[:, :, None], rng.normal(size=(n, 3, 3)) + 5 * np.eye(3), 0.0)
    energy = rng.normal(size=n)
    energy[::3] = np.nan
    labels = {
        "energy": energy,
        "stress": rng.normal(size=(n, 3, 3)),
        "forces": rng.normal(size=(total, 3)),
        "charges": rng.normal(size=total).astype(np.float32),
        "my_column": rng.normal(size=n),
        "my_atom_column": rng.normal(size=(total, 2)),
    }
    return Structures(
        torch.from_numpy(rng.normal(size=(total, 3))),
        torch.from_numpy(rng.integers(1, 119, total)),
        torch.from_numpy(cell),
        torch.from_numpy(np.repeat(pbc, 3, axis=1)),
        torch.from_numpy(np.repeat(np.arange(n), counts)),
        {k: torch.from_numpy(v) for k, v in labels.items()},
        tuple(f"id-{seed}-{k}" for k in range(n)),
        frozenset({"my_atom_column"}),
    )


CARD_ = Card(
    name="random", licence="CC0-1.0", properties=records(free_property("my_column", "structure", "K"))
)


def assert_same(a: Structures, b: Structures) -> None:
    """Bitwise equality, NaN equal to NaN."""
    for name in ("positions", "numbers", "cell", "pbc", "structure"):
        assert torch.equal(getattr(a, name), getattr(b, name)), name
    assert a.ids == b.ids
    assert all(a.runs_over_atoms(name) == b.runs_over_atoms(name) for name in a.labels)
    assert set(a.labels) == set(b.labels)
    for name, values in a.labels.items():
        assert values.dtype == b.labels[name].dtype, name
        assert torch.equal(values.nan_to_num(7.0), b.labels[name].nan_to_num(7.0)), name
        assert torch.equal(values.isnan(), b.labels[name].isnan()), name


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> tuple[Structures, Store, Store]:
    """The same structures in one shard and in many."""
    s = structures(200)
    folder = tmp_path_factory.mktemp("stores")
    one = write_store(folder / "one", [s], CARD_)
    many = write_store(folder / "many", [s[k : k + 10] for k in range(0, 200, 10)], CARD_, shard_atoms=120)
    assert len(one.record.shards) == 1
    assert len(many.record.shards) > 5
    return s, one, many


def test_round_trip_is_exact(written) -> None:
    s, one, many = written
    assert len(one) == len(many) == 200
    assert_same(one[:], s)
    assert_same(many[:], s)


@pytest.mark.parametrize(
    "index",
    [
        0,
        -1,
        57,
        slice(3, 150, 7),
        slice(50, 10, -3),
        [5, 5, 199, 0, 5],
        [],
        np.array([-1, -9]),
        torch.tensor([7]),
    ],
    ids=str,
)
def test_gather_in_any_order(written, index) -> None:
    s, one, many = written
    numpy_index = index if isinstance(index, int | slice) else np.array(list(index), int)
    wanted = s[np.atleast_1d(np.arange(200)[numpy_index]).tolist()]
    for store in (one, many):
        assert_same(store[index], wanted)


def test_gather_by_mask(written) -> None:
    s, one, many = written
    mask = np.arange(200) % 3 == 1
    assert_same(one[mask], s[torch.from_numpy(mask)])
    assert_same(many[mask.tolist()], s[torch.from_numpy(mask)])
    with pytest.raises(IndexError, match="mask of shape"):
        one[mask[:10]]


@pytest.mark.parametrize("index", [200, -201, [0, 200], np.array([-201])])
def test_out_of_range(written, index) -> None:
    with pytest.raises(IndexError, match="asked of a batch of 200"):
        written[1][index]


def test_batches_can_be_changed_without_touching_the_store(written) -> None:
    s, one, _ = written
    batch = one[0:5]
    batch.positions.add_(1.0)
    batch.labels["energy"].zero_()
    assert_same(one[0:5], s[0:5])


def test_columns_are_read_in_place(written) -> None:
    s, one, many = written
    assert np.shares_memory(one.values("positions"), one.values("positions"))
    assert not one.values("positions").flags.writeable
    for store in (one, many):
        np.testing.assert_array_equal(store.values("energy"), s.labels["energy"].numpy())
        np.testing.assert_array_equal(store.values("numbers"), s.numbers.numpy())
        np.testing.assert_array_equal(store.counts, s.counts.numpy())
    with pytest.raises(KeyError, match="did you mean 'energy'"):
        one.values("enregy")


def test_ids(written) -> None:
    _, one, many = written
    assert one.ids == many.ids == [f"id-0-{k}" for k in range(200)]
    np.testing.assert_array_equal(many.rows_of(["id-0-9", "id-0-199"]), [9, 199])
    with pytest.raises(KeyError, match=r"1 of 2 ids are not in random.*nobody"):
        one.rows_of(["id-0-1", "nobody"])


def test_structures_without_ids_are_numbered(tmp_path) -> None:
    s = replace(structures(10), ids=())
    store = write_store(tmp_path / "s", [s[:4], s[4:]], CARD_, shard_atoms=1)
    assert store.ids == [str(k) for k in range(10)]


def test_card_tells_what_is_there(written) -> None:
    s, one, _ = written
    card = one.card
    assert (card.n_structures, card.n_atoms) == (200, s.n_atoms)
    assert set(s.numbers.tolist()) == {atomic_numbers[e] for e in card.elements}
    assert card.units["energy"] == "eV"
    assert card.units["my_column"] == "K"
    assert one.properties["forces"].per == "atom"
    assert one.properties["stress"].shape == (3, 3)


def test_fingerprint_is_of_the_content(written, tmp_path) -> None:
    s, one, _ = written
    again = write_store(tmp_path / "again", [s], CARD_.with_counts(title="another title"))
    assert again.fingerprint == one.fingerprint
    moved = replace(s, positions=s.positions + 1e-12)
    assert write_store(tmp_path / "moved", [moved], CARD_).fingerprint != one.fingerprint


def test_label_missing_in_a_shard_is_unknown(tmp_path) -> None:
    a, b = structures(5, 1), structures(5, 2)
    b = replace(b, labels={"energy": b.labels["energy"], "charges": b.labels["charges"].double()})
    store = write_store(tmp_path / "s", [a, b], CARD_, shard_atoms=1)
    assert len(store.record.shards) == 2
    last = store[7]
    assert last.labels["forces"].shape == (last.n_atoms, 3)
    assert bool(last.labels["forces"].isnan().all())
    both = store[[9, 0]]
    assert bool(both.labels["stress"][0].isnan().all())
    assert torch.equal(both.labels["stress"][1], a.labels["stress"][0])
    assert both.labels["charges"].dtype == torch.float64
    assert np.isnan(store.values("my_column")[5:]).all()


def test_single_atoms_keep_their_atom_labels(tmp_path) -> None:
    s = structures(40)
    s = s[np.flatnonzero(s.counts.numpy() == 1)]
    assert len(s) == s.n_atoms > 1
    store = write_store(tmp_path / "s", [s], CARD_)
    assert store.properties["my_atom_column"].per == "atom"
    assert_same(store[:], s)


def test_integer_labels_become_floats(tmp_path) -> None:
    s = structures(4)
    s = replace(s, labels={"total_charge": torch.arange(4)})
    store = write_store(tmp_path / "s", [s], CARD_)
    assert store[:].labels["total_charge"].tolist() == [0.0, 1.0, 2.0, 3.0]
    assert list(store.properties) == ["total_charge"]


def test_wrong_label_shape(tmp_path) -> None:
    s = structures(4)
    s = replace(s, labels={"forces": torch.zeros(s.n_atoms, 2)})
    with pytest.raises(ValueError, match=r"label 'forces'.*expected"):
        write_store(tmp_path / "s", [s], CARD_)
    assert list(tmp_path.iterdir()) == []


def test_unit_against_the_vocabulary(tmp_path) -> None:
    card = Card(name="random", properties=records(replace(PROPERTIES["energy"], unit="Ha")))
    with pytest.raises(ValueError, match="'energy' in 'Ha'; the vocabulary keeps it in 'eV'"):
        write_store(tmp_path / "s", [structures(4)], card)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s: replace(s, positions=s.positions * torch.nan), "position"),
        (lambda s: replace(s, numbers=s.numbers * 0 + 119), "119"),
        (lambda s: replace(s, cell=s.cell * 0, pbc=s.pbc | True), "singular"),
    ],
)
def test_bad_structures_are_refused_and_nothing_is_left(tmp_path, spoil, message) -> None:
    with pytest.raises(ValueError, match=f"random.*{message}"):
        write_store(tmp_path / "s", [spoil(structures(4))], CARD_)
    assert list(tmp_path.iterdir()) == []


def test_empty_dataset_is_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="no structures"):
        write_store(tmp_path / "s", iter(()), CARD_)
    assert list(tmp_path.iterdir()) == []


def test_splits(tmp_path) -> None:
    split = {"train": np.array([3, 1]), "test": np.array([0])}
    store = write_store(tmp_path / "s", [structures(5)], CARD_, split)
    assert store.card.splits == {"train": 2, "test": 1}
    np.testing.assert_array_equal(store.split("train"), [3, 1])
    with pytest.raises(KeyError, match="no split 'tset'; did you mean 'test'"):
        store.split("tset")
    (tmp_path / "s" / SPLITS).write_text("{}")
    for read in (lambda: Store.open(tmp_path / "s").splits, Store.open(tmp_path / "s").verify):
        with pytest.raises(BrokenStore, match=r"splits.json is missing or was altered"):
            read()


@pytest.mark.parametrize("rows", [[5], [-1], [1, 1]])
def test_split_that_does_not_fit(tmp_path, rows) -> None:
    with pytest.raises(ValueError, match="split 'train'"):
        write_store(tmp_path / "s", [structures(5)], CARD_, {"train": np.array(rows)})


def test_truncated_shard(tmp_path) -> None:
    write_store(tmp_path / "s", [structures(5)], CARD_)
    shard = tmp_path / "s" / "shard-00000.arrow"
    os.truncate(shard, shard.stat().st_size - 1)
    with pytest.raises(BrokenStore, match=r"shard-00000.arrow is truncated: \d+ bytes, the card says \d+"):
        Store.open(tmp_path / "s")
    shard.unlink()
    with pytest.raises(BrokenStore, match="missing"):
        Store.open(tmp_path / "s")


def test_altered_byte_is_found_by_verify(tmp_path) -> None:
    store = write_store(tmp_path / "s", [structures(50)], CARD_)
    store.verify()
    shard = tmp_path / "s" / "shard-00000.arrow"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(bytes(content))
    with pytest.raises(BrokenStore, match=r"shard-00000.arrow was altered: sha256"):
        Store.open(tmp_path / "s").verify()


def test_garbage_of_the_right_size(tmp_path) -> None:
    write_store(tmp_path / "s", [structures(5)], CARD_)
    shard = tmp_path / "s" / "shard-00000.arrow"
    shard.write_bytes(b"x" * shard.stat().st_size)
    with pytest.raises(BrokenStore, match="cannot be read"):
        Store.open(tmp_path / "s")[0]


def test_only_the_shards_asked_for_are_read(tmp_path) -> None:
    s = structures(20)
    store = write_store(tmp_path / "s", [s[:10], s[10:]], CARD_, shard_atoms=1)
    second = tmp_path / "s" / "shard-00001.arrow"
    second.write_bytes(b"x" * second.stat().st_size)
    assert_same(Store.open(tmp_path / "s")[2:9], s[2:9])
    with pytest.raises(BrokenStore):
        Store.open(tmp_path / "s")[15]
    assert len(store) == 20


@pytest.mark.parametrize("text", ["", "{}", '{"format": 1}', "[]", '{"format": 99}'])
def test_broken_card(tmp_path, text) -> None:
    write_store(tmp_path / "s", [structures(5)], CARD_)
    (tmp_path / "s" / CARD).write_text(text)
    with pytest.raises(BrokenStore, match="card"):
        Store.open(tmp_path / "s")


def test_no_store_there(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match="no store at"):
        Store.open(tmp_path)


def test_overwriting_is_refused_unless_asked_for(tmp_path) -> None:
    a, b = structures(5, 1), structures(6, 2)
    write_store(tmp_path / "s", [a], CARD_)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        write_store(tmp_path / "s", [b], CARD_)
    assert_same(Store.open(tmp_path / "s")[:], a)
    assert_same(write_store(tmp_path / "s", [b], CARD_, overwrite=True)[:], b)
    assert [p.name for p in tmp_path.iterdir()] == ["s"]


def test_failed_overwrite_keeps_the_old_store(tmp_path) -> None:
    a = structures(5, 1)
    write_store(tmp_path / "s", [a], CARD_)
    with pytest.raises(ValueError, match="no structures"):
        write_store(tmp_path / "s", [], CARD_, overwrite=True)
    assert_same(Store.open(tmp_path / "s")[:], a)
    assert [p.name for p in tmp_path.iterdir()] == ["s"]


def test_unwritable_output(tmp_path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OSError, match=r"cannot write .*choose a place"):
        write_store(tmp_path / "file" / "s", [structures(2)], CARD_)


def test_killed_writer_leaves_nothing_under_the_final_name(tmp_path) -> None:
    code = textwrap.dedent(
        f"""
        import sys, time
        sys.path.insert(0, {os.path.dirname(__file__)!r})
        from test_store import CARD_, structures, write_store
        def slowly():
            yield structures(10)
            yield structures(10)
            print("written", flush=True)
            time.sleep(60)
        write_store({str(tmp_path / "s")!r}, slowly(), CARD_, shard_atoms=1)
        """
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    left = list(tmp_path.iterdir())
    assert not (tmp_path / "s").exists()
    assert len(left) == 1
    assert left[0].name.startswith(".s~")
    write_store(tmp_path / "s", [structures(3)], CARD_)
    assert [p.name for p in tmp_path.iterdir()] == ["s"], "the leftover of the dead process is swept away"


def test_a_running_writer_is_not_swept_away(tmp_path) -> None:
    def batches():
        yield structures(3)
        write_store(tmp_path / "s", [structures(4)], CARD_)

    with pytest.raises(FileExistsError):
        write_store(tmp_path / "s", batches(), CARD_)
    assert len(Store.open(tmp_path / "s")) == 4
    assert [p.name for p in tmp_path.iterdir()] == ["s"]


def test_pickles_as_a_place(written) -> None:
    s, one, _ = written
    again = pickle.loads(pickle.dumps(one))
    assert_same(again[3:5], s[3:5])
    assert len(pickle.dumps(one)) < 1000


def test_any_arrow_tool_can_read_it(written) -> None:
    import pyarrow as pa

    s, one, _ = written
    table = pa.ipc.open_file(one.folder / "shard-00000.arrow").read_all()
    assert table.num_rows == 200
    assert table["numbers"][3].as_py() == s[3].numbers.tolist()
    assert table["label:forces"][3].as_py() == s[3].labels["forces"].tolist()


def test_card_is_readable_json(written) -> None:
    content = json.loads((written[1].folder / CARD).read_text())
    assert content["card"]["licence"] == "CC0-1.0"
    assert content["shards"][0]["structures"] == 200


def test_native_gather_equals_the_reference(tmp_path, monkeypatch) -> None:
    """Shards without a label, ids beyond ASCII, repeats, and single structures: the same either way."""
    a, b = structures(30, 1), structures(30, 2)
    b = replace(
        b, labels={k: v for k, v in b.labels.items() if k in ("energy", "charges")},
        ids=tuple(f"é{k}/水" * (k % 3) + str(k) for k in range(30)),
    )  # fmt: skip
    batches = [s[k : k + 5] for s in (a, b) for k in range(0, 30, 5)]
    store = write_store(tmp_path / "s", batches, CARD_, shard_atoms=1)
    assert len(store.record.shards) == 12
    wanted = [[59, 0, 31, 31, 7], [40], list(range(60)), np.random.default_rng(0).integers(0, 60, 64)]
    native = [store[rows] for rows in wanted]
    assert store._table.known.all(), "native code did it"
    monkeypatch.setattr("atomscape.data.store.available", lambda: False)
    for rows, found in zip(wanted, native, strict=True):
        assert_same(found, store[rows])


def test_batches_of_one_are_joined_and_counted(tmp_path, monkeypatch) -> None:
    """A file gives structures one by one; they are joined by the handful, and the store is the same."""
    monkeypatch.setattr("atomscape.data.shard_files.JOINED", 8)
    s, counted = structures(60), []
    one_by_one = write_store(tmp_path / "a", iter(s), CARD_, shard_atoms=100, progress=counted.append)
    assert counted == [1] * 60
    assert_same(one_by_one[:], s)
    assert all(shard.atoms <= 100 for shard in one_by_one.record.shards)
    assert len(one_by_one.record.shards) < 6
    assert (
        write_store(tmp_path / "b", [s], CARD_).fingerprint
        == write_store(tmp_path / "c", iter(s), CARD_).fingerprint
    )


def test_writing_holds_a_shard_at_a_time(tmp_path) -> None:
    """However many structures there are: those of shards already written are let go."""
    import weakref

    alive: list[weakref.ref] = []

    def batches():
        for seed in range(40):
            batch = structures(5, seed)
            alive.append(weakref.ref(batch.positions))
            yield batch
            del batch
            assert 0 < sum(ref() is not None for ref in alive) <= 8

    store = write_store(tmp_path / "s", batches(), CARD_, shard_atoms=100)
    assert len(store.record.shards) > 7
