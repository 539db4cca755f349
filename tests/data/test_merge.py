"""Merged stores hold what each holds; files are shared, names do not collide, units agree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from atomscape.atoms.properties import free_property
from atomscape.atoms.structures import Structures
from atomscape.data.append import append_store
from atomscape.data.card import Card, records
from atomscape.data.merge import merge_stores
from atomscape.data.store import Store, write_store


def water(n: int, shift: float, ids: str, **labels: torch.Tensor) -> Structures:
    """So many shifted molecules of water."""
    one = Structures.of([[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]], [8, 1, 1])
    s = Structures.concatenate([one] * n)
    return replace(s, positions=s.positions + shift, ids=tuple(f"{ids}{k}" for k in range(n)), labels=labels)


def stored(folder, name: str, s: Structures, splits=None, **card) -> Store:
    """A store of one dataset."""
    return write_store(folder / name, [s], Card(name=name, **card), splits)


@pytest.fixture
def two(tmp_path) -> list[Store]:
    """Two datasets with different labels, splits and licences."""
    a = water(3, 0.0, "a", energy=torch.arange(3.0, dtype=torch.float64))
    b = water(2, 1.0, "b", energy=torch.arange(2.0), gap=torch.ones(2, dtype=torch.float64))
    return [
        stored(tmp_path, "one", a, {"train": np.array([0, 2])}, licence="CC0-1.0", level_of_theory="PBE"),
        stored(tmp_path, "two", b, {"train": np.array([1]), "test": np.array([0])}, licence="CC-BY-4.0",
               level_of_theory="PBE", citation="Two (2002)"),
    ]  # fmt: skip


def test_files_are_shared(tmp_path, two) -> None:
    merged = merge_stores(tmp_path / "both", two)
    merged.verify()
    assert merged.ids == ["a0", "a1", "a2", "b0", "b1"]
    for k, store in enumerate(two):
        mine = merged.folder / f"shard-{k:05d}.arrow"
        assert mine.samefile(store.folder / "shard-00000.arrow")
    got = merged[[4, 0]]
    assert torch.equal(got[0].positions, two[1][1].positions)
    assert got.labels["energy"].tolist() == [1.0, 0.0]
    assert got.labels["energy"].dtype == torch.float64
    assert got.labels["gap"].nan_to_num(-1).tolist() == [1.0, -1.0]
    assert {k: v.tolist() for k, v in merged.splits.items()} == {"train": [0, 2, 4], "test": [3]}


def test_the_card_speaks_of_all(tmp_path, two) -> None:
    card = merge_stores(tmp_path / "both", two).card
    assert card.name == "both"
    assert card.licence == "one: CC0-1.0; two: CC-BY-4.0"
    assert card.level_of_theory == "PBE"
    assert card.citation == "two: Two (2002)"
    assert all(store.fingerprint in card.provenance for store in two)
    assert (card.n_structures, card.n_atoms, card.elements) == (5, 15, ("H", "O"))
    mine = merge_stores(tmp_path / "mine", two, card=Card(name="mine", licence="CC-BY-4.0")).card
    assert (mine.name, mine.licence, mine.n_structures) == ("mine", "CC-BY-4.0", 5)


def test_what_becomes_of_a_part_does_not_touch_the_whole(tmp_path, two) -> None:
    merged = merge_stores(tmp_path / "both", two)
    append_store(two[0].folder, [water(1, 2.0, "c")])
    write_store(two[1].folder, [water(2, 3.0, "d")], two[1].card, overwrite=True)
    again = Store.open(merged.folder)
    again.verify()
    assert again.ids == merged.ids


def test_ids_in_common_get_the_name_of_their_dataset(tmp_path, two) -> None:
    third = stored(tmp_path, "three", water(2, 5.0, "a", energy=torch.zeros(2)))
    merged = merge_stores(tmp_path / "all", [two[0], third])
    assert merged.ids == ["one:a0", "one:a1", "one:a2", "three:a0", "three:a1"]
    assert torch.equal(merged[3].positions, third[0].positions)
    merged.verify()
    assert two[0].ids == ["a0", "a1", "a2"], "the files of the parts are not touched"
    with pytest.raises(ValueError, match="cannot be told apart by name"):
        merge_stores(tmp_path / "x", [two[0], two[0]])
    twice = merge_stores(tmp_path / "x", [two[0], two[0]], names=["p", "q"])
    assert twice.ids[::3] == ["p:a0", "q:a0"]


def test_units_must_agree(tmp_path) -> None:
    kelvin, celsius = (free_property("temperature", "structure", unit) for unit in ("K", "°C"))
    stores = [
        stored(tmp_path, n, water(1, 0.0, n, temperature=torch.ones(1)), properties=records(p))
        for n, p in (("hot", kelvin), ("cold", celsius))
    ]
    with pytest.raises(ValueError, match=r"merging cold: the label 'temperature' has unit 'K' .* '°C'"):
        merge_stores(tmp_path / "both", stores)
    assert not (tmp_path / "both").exists()


def test_merging_needs_two(tmp_path, two) -> None:
    with pytest.raises(ValueError, match="1 stores"):
        merge_stores(tmp_path / "x", two[:1])
    with pytest.raises(ValueError, match="1 names"):
        merge_stores(tmp_path / "x", two, names=["a"])


def test_copies_where_links_are_not_possible(tmp_path, two, monkeypatch) -> None:
    import os

    def refuse(*paths):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    counted = []
    merged = merge_stores(tmp_path / "both", two, progress=counted.append)
    assert counted == [3, 2]
    assert not (merged.folder / "shard-00000.arrow").samefile(two[0].folder / "shard-00000.arrow")
    merged.verify()
