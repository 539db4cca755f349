"""Principal components of standardised features, with a sign that does not depend on the machine.

Every feature is shifted to mean 0 and divided by its standard deviation; features that do not vary are left
out. Components are eigenvectors of the correlation matrix in float64, summed over blocks, so that memory does
not grow with the number of structures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atomscape.shapes import Float

_BLOCK = 65_536
# A feature does not vary if its deviation is below this share of its mean, or of the largest deviation of
# all: what is left is rounding of float32 features, and of their squares.
_OF_MEAN, _OF_LARGEST = 1e-6, 1e-10


@dataclass(frozen=True, eq=False)
class Pca:
    """A fitted projection. ``explained`` is each component's share of the total variance."""

    mean: Float[np.ndarray, " features"]
    scale: Float[np.ndarray, " features"]
    components: Float[np.ndarray, "dimensions features"]
    explained: Float[np.ndarray, " dimensions"]

    name = "PCA"

    @staticmethod
    def fit(features: Float[np.ndarray, "structures features"], dimensions: int = 2) -> Pca:
        """Fit to features. The largest entry of each component is positive.

        Raises
        ------
        ValueError
            Fewer than two structures, or more dimensions asked for than there are.
        """
        n, width = features.shape
        if n < 2:
            raise ValueError(f"principal components need at least 2 structures; given {n}")
        mean, scale = _moments(features)
        rank = _rank(n, scale)
        if not 1 <= dimensions <= max(rank, 2):
            raise ValueError(
                f"{dimensions} components asked of {n} structures with {rank} features that vary"
            )
        correlation = np.zeros((width, width))
        for z in _blocks(features, mean, scale):
            correlation += z.T @ z / n
        values, vectors = np.linalg.eigh(correlation)
        values, vectors = values[::-1].clip(min=0), vectors.T[::-1]
        components = np.zeros((dimensions, width))
        components[: min(dimensions, width)] = vectors[:dimensions]
        strongest = np.take_along_axis(components, np.abs(components).argmax(1)[:, None], 1)
        explained = np.zeros(dimensions)
        explained[: min(dimensions, width)] = values[:dimensions] / max(float(values.sum()), 1e-300)
        return Pca(mean, scale, components * np.where(strongest < 0, -1.0, 1.0), explained)

    def standardised(
        self, features: Float[np.ndarray, "points features"]
    ) -> Float[np.ndarray, "points features"]:
        """Features with mean 0 and deviation 1 over the fitted structures; constant ones are 0."""
        return (
            np.concatenate([*_blocks(features, self.mean, self.scale)]) if len(features) else features * 0.0
        )

    def transform(
        self, features: Float[np.ndarray, "points features"]
    ) -> Float[np.ndarray, "points dimensions"]:
        """Place points, those fitted or new ones, float64."""
        parts = [z @ self.components.T for z in _blocks(features, self.mean, self.scale)]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.components)))

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything needed to build the projection again."""
        return {k: getattr(self, k) for k in ("mean", "scale", "components", "explained")}


def varying_dimensions(features: Float[np.ndarray, "structures features"]) -> int:
    """Most components that can be asked for: features that vary, and one less than structures."""
    return _rank(len(features), _moments(features)[1])


def _rank(n: int, scale: np.ndarray) -> int:
    return min(n - 1, int((scale > 0).sum()))


def _moments(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    n, width = features.shape
    mean, variance = np.zeros(width), np.zeros(width)
    for start in range(0, n, _BLOCK):
        mean += features[start : start + _BLOCK].sum(0, dtype=np.float64) / n
    for start in range(0, n, _BLOCK):
        variance += ((features[start : start + _BLOCK] - mean) ** 2).sum(0) / n
    deviation = np.sqrt(variance)
    least = np.maximum(_OF_MEAN * np.abs(mean), _OF_LARGEST * deviation.max(initial=0.0))
    return mean, np.where(deviation > least, deviation, 0.0)


def _blocks(features: np.ndarray, mean: np.ndarray, scale: np.ndarray):
    inverse = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    for start in range(0, len(features), _BLOCK):
        yield (features[start : start + _BLOCK].astype(np.float64) - mean) * inverse
