"""Appending gives what writing all at once gives; who reads meanwhile notices nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from atomscape.atoms.properties import free_property
from atomscape.atoms.structures import Structures
from atomscape.data.append import append_store
from atomscape.data.card import Card, records
from atomscape.data.lock import BusyStore, locked
from atomscape.data.record import CARD
from atomscape.data.shards import BrokenStore
from atomscape.data.store import Store, write_store

KELVIN = free_property("temperature", "structure", "K")
GROWN = Card(name="grown", properties=records("energy", KELVIN), provenance="made by hand")


def some(n: int, seed: int, *labels: str, ids: bool = True) -> Structures:
    """Structures of two atoms with labels per structure."""
    draw = torch.Generator().manual_seed(seed)
    return Structures(
        torch.randn(2 * n, 3, generator=draw, dtype=torch.float64),
        torch.full((2 * n,), seed + 1),
        torch.zeros(n, 3, 3, dtype=torch.float64),
        torch.zeros(n, 3, dtype=torch.bool),
        torch.arange(n).repeat_interleave(2),
        {k: torch.randn(n, generator=draw, dtype=torch.float64) for k in labels},
        tuple(f"{seed}/{k}" for k in range(n)) if ids else (),
    )


@pytest.fixture
def store(tmp_path) -> Store:
    """Four structures, two of them the training part."""
    return write_store(tmp_path / "s", [some(4, 0, "energy")], GROWN, {"train": np.array([3, 1])})


def test_append_equals_writing_all_at_once(tmp_path, store) -> None:
    counted = []
    more = [some(3, 1, "energy", "temperature"), some(5, 2, "temperature")]
    after = append_store(store.folder, more, properties=[KELVIN], shard_atoms=6, progress=counted.append)
    whole = write_store(tmp_path / "t", [some(4, 0, "energy"), *more], GROWN)
    assert len(after) == sum(counted) + 4 == 12
    assert len(after.record.shards) == 3
    assert after[:].ids == whole[:].ids
    for name, values in whole[:].labels.items():
        assert torch.equal(after[:].labels[name].nan_to_num(7), values.nan_to_num(7)), name
    assert torch.equal(after[[11, 0, 5]].positions, whole[[11, 0, 5]].positions)
    assert after.properties == whole.properties
    assert after.properties["temperature"].unit == "K"
    assert after.card.elements == ("H", "He", "Li")
    assert after.fingerprint != store.fingerprint
    assert after.split("train").tolist() == [3, 1]
    after.verify()
    assert sorted(p.name for p in after.folder.iterdir())[0] == CARD, "nothing hidden is left"


def test_an_open_store_keeps_reading_what_it_opened(store) -> None:
    before = store[:]
    fresh = Store.open(store.folder)
    append_store(store.folder, [some(3, 1, "energy")])
    for reader in (store, fresh):
        assert len(reader) == 4
        assert torch.equal(reader[:].positions, before.positions)
    assert len(Store.open(store.folder)) == 7


def test_a_store_that_was_replaced_is_not_read_by_who_had_opened_the_old_one(store) -> None:
    fresh = Store.open(store.folder)
    held = store[:].positions
    write_store(store.folder, [some(4, 1, "energy")], store.card, overwrite=True)
    assert torch.equal(store[:].positions, held), "mapped before, still readable"
    with pytest.raises(BrokenStore, match="was replaced since it was opened; open it again"):
        fresh[0]
    with pytest.raises(BrokenStore, match=r"was altered|replaced"):
        fresh.verify()


def test_structures_without_an_id_get_their_row(store) -> None:
    after = append_store(store.folder, [some(2, 1, ids=False)])
    assert after.ids[-2:] == ["4", "5"]


def test_provenance_grows(store) -> None:
    after = append_store(store.folder, [some(2, 1)], provenance="measured later")
    assert after.card.provenance == "made by hand; measured later"


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "nothing to append"),
        ([some(2, 1), replace(some(2, 2), numbers=torch.zeros(4, dtype=torch.int64))], "structure 6"),
        ([replace(some(2, 1), labels={"energy": torch.zeros(2, 3)})], r"label 'energy'.*expected"),
    ],
)
def test_what_does_not_fit_leaves_the_store_as_it_was(store, batches, message) -> None:
    files = sorted(p.name for p in store.folder.iterdir())
    with pytest.raises(ValueError, match=message):
        append_store(store.folder, batches, shard_atoms=1)
    assert sorted(p.name for p in store.folder.iterdir()) == files
    again = Store.open(store.folder)
    assert again.fingerprint == store.fingerprint
    again.verify()


def test_units_must_agree(store) -> None:
    append_store(store.folder, [some(1, 1, "temperature")], properties=[KELVIN])
    celsius = free_property("temperature", "structure", "°C")
    with pytest.raises(ValueError, match=r"grown: the label 'temperature' has unit 'K' .* '°C'"):
        append_store(store.folder, [some(1, 2, "temperature")], properties=[celsius])


def test_two_writers_at_once(store) -> None:
    def batches():
        yield some(2, 1)
        with pytest.raises(BusyStore, match="is being changed by another process"):
            append_store(store.folder, [some(2, 2)])
        with pytest.raises(BusyStore, match="is being changed"):
            write_store(store.folder, [some(2, 3)], store.card, overwrite=True)

    assert len(append_store(store.folder, batches())) == 6
    assert len(append_store(store.folder, [some(2, 2)])) == 8, "the lock is gone with its holder"


def test_the_lock_notices_that_the_store_was_exchanged(store, monkeypatch) -> None:
    import os

    opened = os.open

    def replaced_meanwhile(path, *args):
        place = opened(path, *args)
        if path == store.folder:
            store.folder.rename(store.folder.with_name("old"))
            store.folder.mkdir()
        return place

    monkeypatch.setattr(os, "open", replaced_meanwhile)
    with pytest.raises(BusyStore, match="just been replaced"), locked(store.folder):
        pass


def test_no_store_and_no_half_of_one(tmp_path, store) -> None:
    with pytest.raises(FileNotFoundError, match="no store at"):
        append_store(tmp_path / "nothing", [some(1, 1)])
    (store.folder / "shard-00000.arrow").unlink()
    with pytest.raises(BrokenStore, match="missing"):
        append_store(store.folder, [some(1, 1)])


def test_the_card_stays_readable_json(store) -> None:
    append_store(store.folder, [some(3, 1, "energy")])
    content = json.loads((store.folder / CARD).read_text())
    assert [s["structures"] for s in content["shards"]] == [4, 3]
