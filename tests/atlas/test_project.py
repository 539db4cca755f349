"""PCA against scikit-learn; UMAP reproducible, quiet, and able to place new points; files of both."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from atomscape.atlas.pca import Pca
from atomscape.atlas.project import load_projection, project, save_projection
from atomscape.atlas.umap import Umap


def blobs(rng, n=60, groups=4, width=12) -> tuple[np.ndarray, np.ndarray]:
    """Points around a few centres, and the centre of each."""
    centres = 6 * rng.normal(size=(groups, width))
    which = np.repeat(np.arange(groups), n)
    return centres[which] + rng.normal(size=(n * groups, width)), which


@pytest.fixture(scope="module")
def fitted():
    x, which = blobs(np.random.default_rng(0))
    return x, which, Umap.fit(x, seed=3)


def test_pca_equals_scikit_learn(rng):
    x = rng.normal(size=(200, 9)) @ rng.normal(size=(9, 9)) + 3
    ours, theirs = Pca.fit(x, 4), PCA(4).fit(StandardScaler().fit_transform(x))
    np.testing.assert_allclose(ours.explained, theirs.explained_variance_ratio_, atol=1e-12)
    expected = theirs.transform(StandardScaler().fit_transform(x))
    signs = np.sign((ours.transform(x) * expected).sum(0))
    np.testing.assert_allclose(ours.transform(x) * signs, expected, atol=1e-9)


def test_pca_sign_and_units_of_features_do_not_matter(rng):
    x = rng.normal(size=(100, 5)) @ rng.normal(size=(5, 5))
    here = Pca.fit(x)
    assert (np.take_along_axis(here.components, np.abs(here.components).argmax(1)[:, None], 1) > 0).all()
    other = x * [1, 10, 1e3, 1e-3, 7] - 4
    np.testing.assert_allclose(Pca.fit(other).transform(other), here.transform(x), atol=1e-9)


def test_pca_blocks_do_not_matter(rng, monkeypatch):
    x = rng.normal(size=(100, 5))
    whole = Pca.fit(x).transform(x)
    monkeypatch.setattr("atomscape.atlas.pca._BLOCK", 13)
    np.testing.assert_allclose(Pca.fit(x).transform(x), whole, atol=1e-12)


def test_pca_of_constant_and_noise_features(rng):
    x = rng.normal(size=(50, 3)).astype(np.float32)
    noise = 1e-12 * rng.normal(size=(50, 2)).astype(np.float32)
    more = np.concatenate([x, np.full((50, 1), 7, np.float32), noise], 1)
    np.testing.assert_allclose(Pca.fit(more).transform(more), Pca.fit(x).transform(x), atol=1e-6)
    same = Pca.fit(np.ones((10, 4)))
    np.testing.assert_array_equal(same.transform(np.ones((3, 4))), np.zeros((3, 2)))


def test_pca_places_new_points_and_none(rng):
    x = rng.normal(size=(50, 4))
    pca = Pca.fit(x)
    np.testing.assert_allclose(pca.transform(x[7:9]), pca.transform(x)[7:9], atol=1e-12)
    assert pca.transform(x[:0]).shape == (0, 2)
    assert pca.standardised(x[:0]).shape == (0, 4)


def test_umap_separates_groups_and_places_new_points_in_theirs(fitted):
    x, which, umap = fitted
    centre = np.stack([umap.places[which == g].mean(0) for g in range(4)])
    new, theirs = blobs(np.random.default_rng(0), n=60)
    new = new + 0.2 * np.random.default_rng(1).normal(size=new.shape)
    placed = umap.transform(new)
    nearest = ((placed[:, None] - centre) ** 2).sum(2).argmin(1)
    assert (nearest == theirs).mean() > 0.99
    np.testing.assert_allclose(umap.transform(x), umap.places, atol=1e-3)
    assert umap.transform(x[:0]).shape == (0, 2)


def test_umap_is_reproducible_and_follows_its_seed(fitted):
    x, _, umap = fitted
    np.testing.assert_array_equal(Umap.fit(x, seed=3).places, umap.places)
    assert not np.array_equal(Umap.fit(x, seed=4).places, umap.places)


def test_umap_says_nothing_and_leaves_filters_alone():
    x, _ = blobs(np.random.default_rng(2), n=5)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        before = list(warnings.filters)
        Umap.fit(x)
        assert warnings.filters == before
    assert told == []


def test_umap_of_few_points():
    x = np.random.default_rng(0).normal(size=(9, 3))
    assert np.isfinite(Umap.fit(x).places).all()
    with pytest.raises(ValueError, match="at least 8 structures; given 7"):
        Umap.fit(x[:7])


def test_umap_ignores_features_that_are_noise(fitted):
    x = fitted[0][::4].astype(np.float32)
    noise = 1e-12 * np.random.default_rng(0).normal(size=x.shape).astype(np.float32)
    assert Umap.fit(np.concatenate([x, noise], 1)).points.shape == x.shape
    assert np.isfinite(Umap.fit(np.ones((20, 3))).places).all()


def test_umap_missing_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ImportError, match=r"pip install 'atomscape\[map\]'"):
        Umap.fit(np.random.default_rng(0).normal(size=(20, 3)))


@pytest.mark.parametrize("kind", ["pca", "umap"])
def test_saved_projections_place_points_as_before(fitted, tmp_path, kind):
    x, _, umap = fitted
    projection = umap if kind == "umap" else project(x, "pca")
    path = save_projection(projection, tmp_path / "new" / f"{kind}.npz")
    np.testing.assert_array_equal(load_projection(path).transform(x + 0.1), projection.transform(x + 0.1))
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_damaged_files_are_refused(tmp_path):
    path = save_projection(Pca.fit(np.random.default_rng(0).normal(size=(9, 3))), tmp_path / "pca.npz")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="not a saved projection, or it is damaged"):
        load_projection(path)
    with pytest.raises(ValueError, match="not a saved projection"):
        load_projection(tmp_path / "none.npz")


def test_what_cannot_be_projected_is_refused(rng):
    x = rng.normal(size=(30, 4))
    with pytest.raises(LookupError, match="did you mean 'umap'"):
        project(x, "umpa")
    with pytest.raises(ValueError, match="1 of 30 structures have features that are not finite"):
        project(np.where(np.arange(30)[:, None] == 3, np.nan, x))
    with pytest.raises(ValueError, match="at least 2 structures"):
        project(x[:1])
