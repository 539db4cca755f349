"""Trustworthiness and continuity against scikit-learn and against the formula written out."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from atomscape.atlas.quality import quality


@pytest.fixture
def points(rng):
    x = rng.normal(size=(300, 7))
    return x, x[:, :2] + 0.3 * rng.normal(size=(300, 2))


@pytest.mark.parametrize("k", [1, 5, 15, 60])
def test_equals_scikit_learn(points, k):
    x, y = points
    q = quality(x, y, k)
    assert q.trustworthiness == pytest.approx(trustworthiness(x, y, n_neighbors=k), abs=1e-12)
    assert q.continuity == pytest.approx(trustworthiness(y, x, n_neighbors=k), abs=1e-12)
    assert 0.5 < q.trustworthiness < 1
    assert (q.n, q.of, q.k) == (300, 300, k)


def test_recall_is_the_share_of_common_neighbours(points):
    x, y = points
    k, kept = 4, 0
    for i in range(len(x)):
        near = [set(np.argsort(((p - p[i]) ** 2).sum(1))[1 : k + 1]) for p in (x, y)]
        kept += len(near[0] & near[1])
    assert quality(x, y, k).recall == pytest.approx(kept / (len(x) * k), abs=1e-12)


def test_blocks_do_not_matter(points, monkeypatch):
    x, y = points
    whole = quality(x, y, 9)
    monkeypatch.setattr("atomscape.atlas.quality._BLOCK", 7)
    assert quality(x, y, 9) == whole


def test_perfect_and_random_maps(rng):
    x = rng.normal(size=(400, 2))
    same = quality(x, 3 * x[:, ::-1] + 5, 10)
    assert (same.trustworthiness, same.continuity, same.recall) == (1.0, 1.0, 1.0)
    none = quality(x, rng.normal(size=(400, 2)), 10)
    assert abs(none.trustworthiness - 0.5) < 0.05
    assert none.recall < 0.1


def test_duplicates_count_themselves_out_only_once(rng):
    x = np.repeat(rng.normal(size=(50, 3)), 2, axis=0)
    assert quality(x, x, 1).recall == 1.0


def test_large_sets_are_measured_on_a_stated_random_subset(rng):
    x = rng.normal(size=(900, 3))
    q = quality(x, x[:, :2], 10, subset=200, seed=1)
    assert (q.n, q.of) == (200, 900)
    assert "200 random of 900" in str(q)
    assert q == quality(x, x[:, :2], 10, subset=200, seed=1)
    assert q != quality(x, x[:, :2], 10, subset=200, seed=2)


def test_what_cannot_be_measured_is_refused(rng):
    x = rng.normal(size=(20, 3))
    with pytest.raises(ValueError, match="20 points in feature space, but 19 on the map"):
        quality(x, x[:19], 3)
    with pytest.raises(ValueError, match="k = 15 neighbours need at least 24 points; there are 20"):
        quality(x, x, 15)
