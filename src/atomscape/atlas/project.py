"""Projections by name, and their files: fit now, place new structures on the same map later."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol
from zipfile import BadZipFile

import numpy as np

from atomscape.atlas.pca import Pca
from atomscape.atlas.umap import Umap
from atomscape.find import suggest
from atomscape.shapes import Float


class Projection(Protocol):
    """A fitted map from features to two or more coordinates."""

    name: str

    def transform(
        self, features: Float[np.ndarray, "points features"]
    ) -> Float[np.ndarray, "points dimensions"]:
        """Place points, those fitted or new ones."""
        ...

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything needed to build the projection again."""
        ...


def _fit_pca(features: np.ndarray, seed: int) -> Pca:
    return Pca.fit(features)


def _fit_umap(features: np.ndarray, seed: int) -> Umap:
    return Umap.fit(features, seed=seed)


FIT: dict[str, Callable[[np.ndarray, int], Pca | Umap]] = {"pca": _fit_pca, "umap": _fit_umap}


def project(
    features: Float[np.ndarray, "structures features"], projection: str = "pca", seed: int = 0
) -> Pca | Umap:
    """Fit a projection to two dimensions; ``transform`` of the result gives the coordinates.

    Raises
    ------
    LookupError
        No projection of that name.
    ValueError
        Too few structures, or features that are not finite.
    """
    if projection not in FIT:
        raise LookupError(
            f"no projection {projection!r}{suggest(projection, tuple(FIT))} Known: {', '.join(FIT)}."
        )
    if not np.isfinite(features).all():
        bad = int((~np.isfinite(features)).any(1).sum())
        raise ValueError(f"{bad} of {len(features)} structures have features that are not finite")
    return FIT[projection](features, seed)


def save_projection(projection: Pca | Umap, path: str | Path) -> Path:
    """Write a fitted projection as an npz file, atomically."""
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part.npz")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = {"kind": np.array(projection.name.lower()), **projection.arrays()}
        np.savez_compressed(part, **arrays)
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OSError(f"cannot write {path}: {error.strerror or error}; choose another place") from error
    return path


def load_projection(path: str | Path) -> Pca | Umap:
    """Read a projection written by ``save_projection``.

    Raises
    ------
    ValueError
        The file is none, or is damaged.
    """
    try:
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {k: file[k] for k in file.files}
        kind = str(arrays.pop("kind"))
        if kind == "pca":
            return Pca(**arrays)
        pca = Pca(**{k.removeprefix("pca_"): arrays.pop(k) for k in list(arrays) if k.startswith("pca_")})
        return Umap(pca, arrays["points"], arrays["places"], int(arrays["neighbours"]))
    except (OSError, KeyError, TypeError, ValueError, BadZipFile) as error:
        raise ValueError(f"{path} is not a saved projection, or it is damaged: {error}") from error
