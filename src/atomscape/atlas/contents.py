"""What goes into a map page: a manifest (JSON) that describes the packed arrays, and the arrays.

Structures are kept as whole multiples of 0.0001 Å, cells as float64; the page's ``data.js`` reads them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from ase.data import chemical_symbols, covalent_radii
from ase.data.colors import jmol_colors

from atomscape.atoms.structures import Structures
from atomscape.shapes import Float, Int
from atomscape.web.packing import Blob, categories, pack_array, pack_texts, smallest_exact

POSITION_STEP = 1e-4  # Å


@dataclass(frozen=True, eq=False)
class MapData:
    """Everything the page shows.

    Parameters
    ----------
    coordinates
        Projection name → position of each structure on that map, in the order of the page's tabs.
    columns
        Property name → numbers (NaN = unknown) or strings ("" = unknown), one per structure.
    units
        Property name → unit.
    ids, formulas, dataset
        Name, formula and dataset of each structure.
    structures
        The structures in the same order, drawn in 3D (crystals with their cell); None for a map alone.
    notes
        (label, value) pairs shown as figures. A label that names an axis, as ``("PCA 1", "34 %")``, is
        written on the axis; one that mentions a projection, as ``("UMAP continuity", "0.98")``, beside it.
    provenance
        Free text on where the map comes from.

    Raises
    ------
    ValueError
        Lengths disagree, there is no projection, or a coordinate is not finite.
    """

    coordinates: Mapping[str, Float[np.ndarray, "structures 2"]]
    columns: Mapping[str, np.ndarray | Sequence[str] | Sequence[float]]
    units: Mapping[str, str]
    ids: Sequence[str]
    formulas: Sequence[str]
    dataset: Sequence[str]
    structures: Structures | None = None
    title: str = "Map of chemical space"
    notes: Sequence[tuple[str, str]] = field(default_factory=tuple)
    provenance: str = ""

    def __post_init__(self) -> None:
        """Refuse what could not be drawn."""
        n = len(self.ids)
        if not self.coordinates:
            raise ValueError(
                "a map needs coordinates: give at least one projection, as {'PCA': array of [n, 2]}"
            )
        if n == 0:
            raise ValueError("a map of no structures: ids, coordinates and columns are empty")
        given = {f"coordinates[{k!r}]": len(v) for k, v in self.coordinates.items()}
        given |= {f"columns[{k!r}]": len(v) for k, v in self.columns.items()}
        given |= {"formulas": len(self.formulas), "dataset": len(self.dataset)}
        given |= {"structures": len(self.structures)} if self.structures is not None else {}
        wrong = {k: v for k, v in given.items() if v != n}
        if wrong:
            raise ValueError(f"{n} ids, but " + ", ".join(f"{k} has {v}" for k, v in wrong.items()))
        for name, xy in self.coordinates.items():
            bad = np.flatnonzero(~np.isfinite(xy).all(1))
            if bad.size:
                raise ValueError(
                    f"{name} coordinates of {bad.size} structures are not finite, first {self.ids[bad[0]]!r}"
                )


@dataclass(frozen=True)
class Contents:
    """Part of a page's manifest, and the packed arrays that it speaks of."""

    manifest: Mapping[str, object]
    blobs: Mapping[str, Blob]

    @property
    def size(self) -> int:
        """Characters that the arrays take."""
        return sum(len(blob.text) for blob in self.blobs.values())


def pack_contents(data: MapData, colour: str) -> Contents:
    """Pack everything but the structures."""
    blobs: dict[str, Blob] = {}
    keep = partial(_keep, blobs)
    formulas, formula_codes = categories(data.formulas)
    datasets, dataset_codes = categories(data.dataset)
    manifest: dict[str, object] = {
        "title": data.title,
        "n": len(data.ids),
        "colour": colour,
        "notes": [[str(a), str(b)] for a, b in data.notes],
        "provenance": data.provenance,
        "elements": _elements(),
        "ids": keep("ids", pack_texts([str(i) for i in data.ids])),
        "formulas": {
            "table": keep("formulas", pack_texts(formulas)),
            "codes": keep("formula-codes", pack_array(formula_codes)),
        },
        "dataset": {"table": datasets, "codes": keep("dataset-codes", pack_array(dataset_codes))},
        "projections": [
            {"name": name, "xy": keep(f"xy-{i}", pack_array(np.asarray(xy, dtype=np.float32)))}
            for i, (name, xy) in enumerate(data.coordinates.items())
        ],
        "columns": [
            {"name": name, "unit": data.units.get(name, ""), **_column(values, f"column-{i}", keep)}
            for i, (name, values) in enumerate(data.columns.items())
            if name != "dataset"
        ],
    }
    return Contents(manifest, blobs)


def pack_structures(
    structures: Structures | None, chosen: Int[np.ndarray, " chosen"] | None = None
) -> Contents:
    """Pack the structures of the chosen rows (None: all).

    Raises
    ------
    ValueError
        A position is not finite, or too large for the whole numbers in which it is kept.
    """
    if structures is None:
        return Contents({"structures": None}, {})
    kept = structures if chosen is None else structures[chosen.tolist()]
    pbc = kept.pbc.cpu().numpy()
    steps = np.rint(kept.positions.detach().cpu().numpy().astype(np.float64) / POSITION_STEP)
    if not np.isfinite(steps).all() or (steps.size and np.abs(steps).max() > np.iinfo(np.int32).max):
        raise ValueError("positions to be drawn must be finite and below 200,000 Å")
    packed = {
        "counts": smallest_exact(kept.counts.cpu().numpy()),
        "numbers": kept.numbers.cpu().numpy().astype(np.uint8),
        "positions": steps.astype(np.int32),
        "periodic": (pbc @ np.array([1, 2, 4])).astype(np.uint8),
        "cells": kept.cell.detach().cpu().numpy().astype(np.float64)[pbc.any(1)],
    }
    if chosen is not None:
        packed["rows"] = chosen.astype(np.uint32)
    blobs: dict[str, Blob] = {}
    named = {name: _keep(blobs, f"structure-{name}", pack_array(values)) for name, values in packed.items()}
    about = {"count": len(kept), "of": len(structures), "step": POSITION_STEP}
    return Contents({"structures": {**about, **named}}, blobs)


def _keep(blobs: dict[str, Blob], name: str, blob: Blob) -> dict[str, object]:
    """Put a blob among the others; return what the manifest says of it."""
    blobs[name] = blob
    return {"id": f"blob-{name}", "dtype": blob.dtype, "length": blob.length}


def _column(values: np.ndarray | Sequence[str] | Sequence[float], name: str, keep) -> dict[str, object]:
    """A property as numbers, or as categories if it holds strings or truth values."""
    array = np.asarray(values)
    if array.dtype.kind == "b":
        array = np.where(array, "yes", "no")
    if array.dtype.kind in "iuf":
        return {"kind": "number", "values": keep(name, pack_array(smallest_exact(array)))}
    table, codes = categories(["" if v is None else str(v) for v in array])
    return {
        "kind": "category",
        "table": keep(f"{name}-table", pack_texts(table)),
        "codes": keep(name, pack_array(codes)),
    }


def _elements() -> dict[str, list]:
    """Symbols, covalent radii (Å) and Jmol colours by atomic number, from ASE."""
    hexes = ["#" + "".join(f"{round(255 * c):02x}" for c in rgb) for rgb in jmol_colors]
    return {
        "symbols": list(chemical_symbols),
        "radii": [round(float(r), 2) for r in covalent_radii],
        "colours": hexes,
    }
