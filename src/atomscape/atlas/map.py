"""From embeddings to a map: project, measure, and write the page, the coordinates and the projections.

Beside ``map.html`` stands the folder ``map-files``: ``coordinates.arrow`` (id, dataset, row, and the place on
each projection), one ``<projection>.npz`` each, with which ``load_projection`` places new structures on the
same map, and ``about.json`` with the figures and where everything came from.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from atomscape import __version__
from atomscape.atlas.columns import columns_of
from atomscape.atlas.embedding_store import EmbeddingStore
from atomscape.atlas.page import MapData, write_page
from atomscape.atlas.pca import Pca
from atomscape.atlas.project import project, save_projection
from atomscape.atlas.quality import NEIGHBOURS, Quality, quality
from atomscape.atlas.umap import Umap
from atomscape.atoms.structures import Structures
from atomscape.data.store import Store
from atomscape.shapes import Float

PROJECTIONS = ("pca", "umap")


@dataclass(frozen=True, eq=False)
class Fitted:
    """One projection of all points, and how far it can be trusted."""

    projection: Pca | Umap
    coordinates: Float[np.ndarray, "points 2"]
    quality: Quality


def make_map(
    embeddings: Sequence[EmbeddingStore],
    stores: Sequence[Store],
    out: str | Path,
    *,
    projections: Sequence[str] = PROJECTIONS,
    colour: str = "",
    title: str = "Map of chemical space",
    seed: int = 0,
    max_mb: float = 64.0,
    report: Callable[[str], None] | None = None,
) -> Path:
    """Write the map of one or several embedded datasets as one HTML file, and its files beside it.

    Parameters
    ----------
    embeddings, stores
        Embeddings from one model and, in the same order, the datasets they were computed from.
    projections
        ``"pca"``, ``"umap"`` or both, in the order of the page's tabs.
    colour
        Column that colours the points at first.
    seed
        Of UMAP, and of the random subset on which quality is measured.
    report
        Called with a line about each step.

    Raises
    ------
    ValueError
        The embeddings do not belong together, or not to these datasets.
    """
    tell = report or (lambda line: None)
    _check_together(embeddings, stores)
    features = np.concatenate([e.features for e in embeddings])
    tell(f"{len(features)} structures, {features.shape[1]} features")
    fitted = []
    for name in projections:
        fitted.append(fit_and_measure(features, name, seed))
        tell(f"{fitted[-1].projection.name}: {fitted[-1].quality}")
    out = Path(out)
    files = out.with_name(f"{out.stem}-files")
    names = dataset_names(stores)
    _write_files(files, embeddings, names, fitted)
    data = _map_data(embeddings, stores, names, fitted, title, seed)
    path = write_page(data, out, colour=colour, max_mb=max_mb)
    tell(f"map: {path}   coordinates and projections: {files}")
    return path


def fit_and_measure(features: Float[np.ndarray, "points features"], name: str, seed: int = 0) -> Fitted:
    """Fit a projection and compare neighbourhoods on it with those in standardised feature space."""
    projection = project(features, name, seed)
    pca = projection.pca if isinstance(projection, Umap) else projection
    places = projection.places if isinstance(projection, Umap) else projection.transform(features)
    coordinates = places.astype(np.float64)
    k = min(NEIGHBOURS, max(1, (2 * len(features) - 2) // 3 - 1))
    return Fitted(projection, coordinates, quality(pca.standardised(features), coordinates, k, seed=seed))


def dataset_names(stores: Sequence[Store]) -> list[str]:
    """Name of each dataset, numbered where one name stands for several."""
    names = [s.card.name for s in stores]
    return [n if names.count(n) == 1 else f"{n} ({names[: i + 1].count(n)})" for i, n in enumerate(names)]


def _map_data(
    embeddings: Sequence[EmbeddingStore],
    stores: Sequence[Store],
    names: Sequence[str],
    fitted: Sequence[Fitted],
    title: str,
    seed: int,
) -> MapData:
    structures = Structures.concatenate(_bare(s[e.rows]) for e, s in zip(embeddings, stores, strict=True))
    columns = columns_of(embeddings, stores)
    return MapData(
        coordinates={f.projection.name: f.coordinates for f in fitted},
        columns={k: c.values for k, c in columns.items()},
        units={k: c.unit for k, c in columns.items()},
        ids=[i for e in embeddings for i in e.ids],
        formulas=structures.formulas(),
        dataset=[n for n, e in zip(names, embeddings, strict=True) for _ in range(len(e))],
        structures=structures,
        title=title,
        notes=_notes(embeddings, fitted),
        provenance=_provenance(embeddings, names, seed),
    )


def _notes(embeddings: Sequence[EmbeddingStore], fitted: Sequence[Fitted]) -> list[tuple[str, str]]:
    origin, notes = embeddings[0].card.origin, []
    for f in fitted:
        name, q = f.projection.name, f.quality
        if isinstance(f.projection, Pca):
            notes += [
                (f"{name} {i + 1}", f"{100 * share:.0f} %") for i, share in enumerate(f.projection.explained)
            ]
        notes += [
            (f"{name} trustworthiness", f"{q.trustworthiness:.3f}"),
            (f"{name} continuity", f"{q.continuity:.3f}"),
            (f"{name} neighbours kept", f"{100 * q.recall:.0f} %"),
        ]
    if fitted:
        q = fitted[0].quality
        measured = f"all {q.n:,} structures" if q.n == q.of else f"{q.n:,} random structures of {q.of:,}"
        notes.append(("Measured on", f"{measured}, {q.k} nearest neighbours"))
    blocks = ", ".join(f"{b.channels} of {b.name}" for b in embeddings[0].card.blocks)
    notes.append(("Features", f"{blocks}; {origin.layer}, {origin.pooling} over atoms"))
    return notes


def _provenance(embeddings: Sequence[EmbeddingStore], names: Sequence[str], seed: int) -> str:
    first = embeddings[0].card
    o = first.origin
    lines = [
        f"Encoder {o.encoder}, cutoff {o.cutoff:g} Å, model {o.model_hash[:12]}; seed {seed}; "
        f"atomscape {__version__}."
    ]
    for name, e in zip(names, embeddings, strict=True):
        part = f"{len(e):,}" if len(e) == e.card.n_of_dataset else f"{len(e):,} of {e.card.n_of_dataset:,}"
        cited = f" {e.card.citation}" if e.card.citation else ""
        data = e.card.origin.data_fingerprint[:12]
        lines.append(f"{name}: {part} structures, data {data}, licence {e.card.licence}.{cited}")
    return "\n".join(lines)


def _write_files(
    folder: Path, embeddings: Sequence[EmbeddingStore], names: Sequence[str], fitted: Sequence[Fitted]
) -> None:
    columns = {
        "id": pa.array([i for e in embeddings for i in e.ids]),
        "dataset": pa.array([n for n, e in zip(names, embeddings, strict=True) for _ in range(len(e))]),
        "row": pa.array(np.concatenate([e.rows for e in embeddings])),
    }
    for f in fitted:
        for axis in range(f.coordinates.shape[1]):
            columns[f"{f.projection.name.lower()}_{axis + 1}"] = pa.array(f.coordinates[:, axis])
    table = pa.table(columns)
    about = {
        "atomscape": __version__,
        "embeddings": [e.card.model_dump(mode="json", exclude={"shards"}) for e in embeddings],
        "quality": {f.projection.name: asdict(f.quality) for f in fitted},
        "explained": {
            f.projection.name: f.projection.explained.tolist()
            for f in fitted
            if isinstance(f.projection, Pca)
        },
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f".coordinates.{os.getpid()}.part"
        with pa.OSFile(str(part), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        part.rename(folder / "coordinates.arrow")
        part.write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n")
        part.rename(folder / "about.json")
    except OSError as error:
        raise OSError(
            error.errno, f"cannot write {folder} ({error.strerror}); choose another place"
        ) from error
    for f in fitted:
        save_projection(f.projection, folder / f"{f.projection.name.lower()}.npz")


def _check_together(embeddings: Sequence[EmbeddingStore], stores: Sequence[Store]) -> None:
    if not embeddings or len(embeddings) != len(stores):
        raise ValueError(
            f"a map needs each embedding with its dataset; given {len(embeddings)} and {len(stores)}"
        )
    first = embeddings[0].card
    for e, store in zip(embeddings, stores, strict=True):
        o = e.card.origin
        if o.data_fingerprint != store.fingerprint:
            raise ValueError(
                f"{e.folder} was not computed from {store.card.name} as it is now; embed it anew"
            )
        for what in ("model_hash", "layer", "pooling"):
            here, there = getattr(first.origin, what), getattr(o, what)
            if here != there:
                raise ValueError(
                    f"embeddings of different {what.replace('_hash', 's')} make no common map: "
                    f"{embeddings[0].folder} has {here}, {e.folder} has {there}"
                )


def _bare(structures: Structures) -> Structures:
    """Without labels, which the map takes from the store."""
    s = structures
    return Structures(s.positions, s.numbers, s.cell, s.pbc, s.structure)
