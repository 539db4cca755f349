"""Splits: disjoint, exhaustive where asked, the same for the same seed, clear about what does not fit."""

from __future__ import annotations

import json

import numpy as np
import pytest

from atomscape.data.splits import (
    check_split,
    index_file_split,
    random_split,
    shared_prefix,
    size_split,
    write_index_file,
)
from atomscape.data.store import Store


@pytest.fixture(scope="module")
def store(random_cells) -> Store:
    return random_cells(lambda k: f"x-{k}")


def assert_partition(split: dict[str, np.ndarray], n: int) -> None:
    assert sorted(np.concatenate(list(split.values())).tolist()) == list(range(n))


def test_random_fractions_use_everything() -> None:
    split = random_split(1001, {"train": 0.8, "val": 0.1, "test": 0.1}, seed=0)
    assert_partition(split, 1001)
    assert [len(v) for v in split.values()] == [801, 100, 100]


def test_random_counts() -> None:
    split = random_split(100, {"train": 50, "val": 10, "test": 30}, seed=0)
    assert {k: len(v) for k, v in split.items()} == {"train": 50, "val": 10, "test": 30}
    check_split(split, 100)


def test_random_is_a_function_of_the_seed() -> None:
    one, same, other = (random_split(100, {"train": 50, "test": 50}, seed) for seed in (7, 7, 8))
    np.testing.assert_array_equal(one["train"], same["train"])
    assert one["train"].tolist() != other["train"].tolist()
    assert random_split(10, {"a": 5}, 0)["a"].tolist() == [2, 3, 4, 6, 7], (
        "the same on every machine and version"
    )


def test_random_among_given_rows() -> None:
    rows = np.arange(0, 100, 3)
    split = random_split(rows, {"train": 0.5, "test": 0.5}, seed=0)
    assert sorted(np.concatenate(list(split.values())).tolist()) == rows.tolist()


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"train": 80, "test": 30}, "110 structures asked for, 100 available"),
        ({"train": 0.8, "test": 0.3}, "more than 1"),
        ({"train": 0.8, "test": 20}, "all counts .* or all fractions"),
        ({"train": -1}, "none negative"),
    ],
)
def test_random_parts_that_do_not_fit(parts, message) -> None:
    with pytest.raises(ValueError, match=message):
        random_split(100, parts, seed=0)


def test_by_size(store) -> None:
    split = size_split(store.counts, {"small": (1, 5), "large": (6, 99)})
    assert_partition(split, 300)
    assert store.counts[split["small"]].max() == 5
    with pytest.raises(ValueError, match="overlap"):
        size_split(store.counts, {"small": (1, 5), "large": (5, 99)})


def test_index_file_of_ids_round_trips(store, tmp_path) -> None:
    split = random_split(300, {"train": 100, "test": 50}, seed=0)
    path = tmp_path / "some" / "x.json"
    write_index_file(path, split, store, seed=0, prefix="x-")
    content = json.loads(path.read_text())
    assert (content["dataset"], content["seed"], content["name"]) == ("cells", 0, "x")
    read = index_file_split(path, store)
    for name, rows in split.items():
        np.testing.assert_array_equal(read[name], rows)
    with pytest.raises(ValueError, match="give the store"):
        index_file_split(path)
    with pytest.raises(ValueError, match="do not begin with"):
        write_index_file(path, split, store, seed=0, prefix="y-")


def test_index_file_without_ids_that_tell_structures_apart(store, tmp_path) -> None:
    split = random_split(300, {"train": 100, "test": 50}, seed=0)
    write_index_file(tmp_path / "x.json", split, store, seed=0, prefix=None)
    np.testing.assert_array_equal(index_file_split(tmp_path / "x.json", store)["test"], split["test"])


@pytest.mark.parametrize(
    ("ids", "prefix"),
    [(["x-1", "x-10"], "x-"), (["7", "75"], ""), (["a", "a"], None), (["a", ""], None), ([], "")],
)
def test_prefix_of_ids(ids, prefix) -> None:
    assert shared_prefix(ids) == prefix


def test_index_file_of_numbers(tmp_path, store) -> None:
    path = tmp_path / "split.json"
    path.write_text('{"splits": {"train": [4, 2], "test": [0]}}')
    np.testing.assert_array_equal(index_file_split(path)["train"], [4, 2])
    path.write_text('{"splits": {"train": [4, 2], "test": [300]}}')
    with pytest.raises(IndexError, match="dataset of 300"):
        index_file_split(path, store)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"splits": 3}', '{"splits": {"train": ["a"]}}'])
def test_not_a_split_file(tmp_path, text) -> None:
    path = tmp_path / "split.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="is not a split file"):
        index_file_split(path)


def test_ids_must_exist_and_stand_once(tmp_path, store) -> None:
    path = tmp_path / "split.json"
    path.write_text('{"prefix": "x-", "splits": {"train": [4, 900]}}')
    with pytest.raises(KeyError, match="x-900"):
        index_file_split(path, store)
    path.write_text('{"prefix": "x-", "splits": {"train": [4, 5], "test": [4]}}')
    with pytest.raises(ValueError, match="stand twice"):
        index_file_split(path, store)
