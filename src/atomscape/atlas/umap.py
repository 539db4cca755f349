"""UMAP (McInnes et al. 2018, arXiv:1802.03426) of standardised features, by the package umap-learn.

The features are first reduced to their principal components, which takes out noise and time. A new point is
placed among the fitted points that are nearest to it in that space, by the mean of their places weighted with
1/distance²; a fitted point keeps its place. That needs neither umap-learn nor its pickled objects, and is the
same on every machine. The fit itself is reproducible on one machine with one version of the packages.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from atomscape.atlas.pca import Pca, varying_dimensions
from atomscape.shapes import Float

DIMENSIONS_BEFORE = 50
MIN_POINTS = 8
_BLOCK = 1024


@dataclass(frozen=True, eq=False)
class Umap:
    """A fitted map: ``places`` of ``points``, which are principal components."""

    pca: Pca
    points: Float[np.ndarray, "structures components"]
    places: Float[np.ndarray, "structures dimensions"]
    neighbours: int

    name = "UMAP"

    @staticmethod
    def fit(
        features: Float[np.ndarray, "structures features"],
        neighbours: int = 15,
        min_dist: float = 0.1,
        dimensions: int = 2,
        seed: int = 0,
    ) -> Umap:
        """Fit to features.

        Raises
        ------
        ImportError
            umap-learn is not installed; the message says how to install it.
        ValueError
            Too few structures.
        """
        n = len(features)
        if n < MIN_POINTS:
            raise ValueError(f"UMAP needs at least {MIN_POINTS} structures; given {n}. PCA works from 2 on")
        pca = Pca.fit(features, max(2, min(DIMENSIONS_BEFORE, varying_dimensions(features))))
        points = pca.transform(features).astype(np.float32)
        reducer = _umap()(
            n_neighbors=min(neighbours, n - 1),
            min_dist=min_dist,
            n_components=dimensions,
            random_state=seed,
            n_jobs=1,
            init="spectral" if n > 4 * dimensions + 8 else "random",
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            places = reducer.fit_transform(points)
        return Umap(pca, points, np.ascontiguousarray(places, dtype=np.float32), min(neighbours, n - 1))

    def transform(
        self, features: Float[np.ndarray, "points features"]
    ) -> Float[np.ndarray, "points dimensions"]:
        """Place points, those fitted or new ones, float64."""
        new = self.pca.transform(features).astype(np.float32)
        placed = [self._place(new[i : i + _BLOCK]) for i in range(0, len(new), _BLOCK)]
        return np.concatenate(placed) if placed else np.zeros((0, self.places.shape[1]))

    def _place(self, new: np.ndarray) -> np.ndarray:
        from sklearn.neighbors import NearestNeighbors

        search = NearestNeighbors(n_neighbors=self.neighbours).fit(self.points)
        distance, index = search.kneighbors(new)
        weight = 1 / np.maximum(distance.astype(np.float64), 1e-12) ** 2
        weight /= weight.sum(1, keepdims=True)
        return np.einsum("pk,pkd->pd", weight, self.places[index].astype(np.float64))

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything needed to build the projection again."""
        own = {"points": self.points, "places": self.places, "neighbours": np.array(self.neighbours)}
        return own | {f"pca_{k}": v for k, v in self.pca.arrays().items()}


def _umap():
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from umap import UMAP
    except ImportError as error:
        raise ImportError(
            "UMAP needs the package umap-learn: pip install 'atomscape[map]'; projection 'pca' works without"
        ) from error
    return UMAP
