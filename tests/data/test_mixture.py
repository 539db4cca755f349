"""Laws of mixtures: shares as asked, a dataset's structures equally often, order from names and seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomscape.data.batches import Batches
from atomscape.data.mixture import Mixture, apportion, mixture

SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=5)


def members_of(sizes) -> dict[str, np.ndarray]:
    ends = np.cumsum([0, *sizes])
    return {f"set{k}": np.arange(ends[k], ends[k + 1]) for k in range(len(sizes))}


def some(sizes, size=None, **how) -> Mixture:
    return mixture(members_of(sizes), size or 10 * sum(sizes), 3, **how)


@given(SIZES, st.floats(1, 20), st.integers(0, 4))
def test_an_epoch_draws_its_share_of_each_dataset(sizes, temperature, epoch) -> None:
    m = some(sizes, size=300, temperature=temperature)
    order = m.order(epoch)
    assert len(order) == m.size == 300
    share = np.array(sizes, float) ** (1 / temperature)
    for name, p in zip(m.draws, share / share.sum(), strict=True):
        drawn = np.isin(order, m.members[name]).sum()
        assert drawn == m.draws[name]
        assert abs(drawn - p * m.size) < 1
        assert m.passes[name] == drawn / len(m.members[name])


@given(SIZES, st.integers(1, 60), st.integers(1, 7))
def test_structures_of_a_dataset_are_seen_equally_often(sizes, more, epochs) -> None:
    m = some(sizes, size=sum(sizes) + more, temperature=1e6 if len(set(sizes)) > 1 else None)
    seen = np.bincount(np.concatenate([m.order(e) for e in range(epochs)]), minlength=sum(sizes))
    for places in m.members.values():
        assert seen[places].max() - seen[places].min() <= 1


@given(SIZES)
def test_temperature_one_is_by_size_and_a_large_one_makes_all_alike(sizes) -> None:
    assert some(sizes, size=sum(sizes)).passes == dict.fromkeys(members_of(sizes), 1.0)
    draws = list(some(sizes, temperature=1e9).draws.values())
    assert max(draws) - min(draws) <= 1


def test_weights() -> None:
    m = some([10, 30], size=100, weights={"set0": 3, "set1": 1})
    assert m.draws == {"set0": 75, "set1": 25}
    assert m.passes == {"set0": 7.5, "set1": 25 / 30}


def test_order_is_a_function_of_seed_epoch_and_names() -> None:
    a, b = some([7, 20]), some([7, 20])
    assert a.order(2).tolist() == b.order(2).tolist()
    assert a.order(2).tolist() != a.order(3).tolist()
    assert a.order(2).tolist() != mixture(members_of([7, 20]), 270, 4).order(2).tolist()


def test_another_dataset_changes_nothing_in_what_is_drawn_from_the_first() -> None:
    alone = mixture({"a": np.arange(9)}, 6, 0)
    beside = mixture({"b": np.arange(9, 40), "a": np.arange(9)}, 12, 0, weights={"a": 1, "b": 1})
    for epoch in range(5):
        order = beside.order(epoch)
        assert sorted(order[order < 9].tolist()) == sorted(alone.order(epoch).tolist())


@given(SIZES, st.integers(1, 9), st.integers(0, 3))
def test_batches_of_a_mixture_resume_exactly(sizes, limit, skip) -> None:
    m = some(sizes)
    batches = Batches(np.ones(sum(sizes)), limit, order=m.order)
    parts = [b.tolist() for b in batches.epoch(1)]
    assert [i for part in parts for i in part] == m.order(1).tolist()
    assert [b.tolist() for b in batches.epoch(1, skip)] == parts[skip:]
    assert batches.count(1) == len(parts)


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=6), st.integers(0, 1000))
def test_apportioned_numbers_sum_up_and_are_nearest(shares, size) -> None:
    p = np.array(shares) / sum(shares)
    whole = apportion(p, size)
    assert whole.sum() == size
    assert (np.abs(whole - p * size) < 1 + 1e-6).all()


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"temperature": 2.0, "weights": {"set0": 1, "set1": 1}}, "give one of them"),
        ({"weights": {"set0": 1}}, "give one for each"),
        ({"weights": {"set0": 1, "set1": 0}}, "positive"),
        ({"temperature": -1.0}, "positive"),
        ({"weights": {"set0": 1, "set1": 1e-9}}, "set1 would never be drawn among the 500 structures"),
    ],
)
def test_mixtures_that_do_not_make_sense(how, message) -> None:
    with pytest.raises(ValueError, match=message):
        some([10, 40], **how)


def test_an_empty_dataset_is_refused() -> None:
    with pytest.raises(ValueError, match="no dataset is empty"):
        mixture({"a": np.arange(3), "b": np.arange(0)}, 10, 0)
