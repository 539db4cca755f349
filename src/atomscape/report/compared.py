"""Labels and predictions of one property, number by number, in the unit they are shown in.

Sums over atoms are shown per atom and without the fitted references (E0): a total energy is mostly those.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from ase.data import atomic_numbers, chemical_symbols

from atomscape.learn.metrics import shown
from atomscape.shapes import Float, Int, Shaped


@dataclass(frozen=True, eq=False)
class Compared:
    """Known labels of one property on one dataset and part.

    ``structure`` numbers the rows of the table of predictions; ``atom`` the atoms of their structures, −1
    where a number belongs to the structure.
    """

    name: str
    dataset: str
    part: str
    unit: str
    note: str
    label: Float[np.ndarray, " numbers"]
    predicted: Float[np.ndarray, " numbers"]
    structure: Int[np.ndarray, " numbers"]
    atom: Int[np.ndarray, " numbers"]

    @property
    def errors(self) -> Float[np.ndarray, " numbers"]:
        """Predicted − label."""
        return self.predicted - self.label

    def some(self, most: int, seed: int = 0) -> Compared:
        """At most so many numbers, drawn at random."""
        if len(self.label) <= most:
            return self
        chosen = np.sort(np.random.default_rng(seed).choice(len(self.label), most, replace=False))
        return replace(
            self, **{k: getattr(self, k)[chosen] for k in ("label", "predicted", "structure", "atom")}
        )


def compared(table: pa.Table, results: Mapping[str, Any] | None) -> Iterator[Compared]:
    """Every property of the table, for each dataset and part that has labels of it."""
    names = [c.removesuffix("_predicted") for c in table.column_names if c.endswith("_predicted")]
    parts, datasets = (np.asarray(table[c].to_pylist()) for c in ("part", "dataset"))
    counts = _lengths(table["numbers"].combine_chunks())
    for name in names:
        about = {k.decode(): v.decode() for k, v in table.schema.field(name).metadata.items()}
        label, place, atom = _numbers(table[name], about)
        predicted, _, _ = _numbers(table[f"{name}_predicted"], about)
        known = np.isfinite(label) & np.isfinite(predicted)
        for dataset in dict.fromkeys(datasets):
            for part in dict.fromkeys(parts):
                mine = known & (datasets == dataset)[place] & (parts == part)[place]
                if mine.any():
                    found = Compared(
                        *(name, str(dataset), str(part), about["unit"], ""),
                        *(label[mine], predicted[mine], place[mine], atom[mine]),
                    )
                    yield _in_shown_units(_per_atom(found, about, table, counts, results))


def _numbers(column: pa.ChunkedArray, about: Mapping[str, str]) -> tuple[np.ndarray, ...]:
    """Values one after the other, the row of each, and its atom."""
    if not pa.types.is_list(column.type):
        values = column.to_numpy()
        return values, np.arange(len(values)), np.full(len(values), -1)
    joined = column.combine_chunks()
    lengths = _lengths(joined)
    row = np.repeat(np.arange(len(lengths)), lengths)
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    size = int(np.prod([int(k) for k in about["shape"].split(",") if k], initial=1))
    atom = within // size if about["per"] == "atom" else np.full(len(row), -1)
    return joined.flatten().to_numpy(zero_copy_only=False).astype(np.float64), row, atom


def _lengths(lists: Any) -> Int[np.ndarray, " rows"]:
    return np.diff(lists.offsets.to_numpy())


def _per_atom(
    c: Compared,
    about: Mapping[str, str],
    table: pa.Table,
    counts: Shaped[np.ndarray, " rows"],
    results: Mapping[str, Any] | None,
) -> Compared:
    if about["extensive"] == "no" or about["per"] == "atom" or about["shape"]:
        return c
    e0 = references_of(results, c.name, c.dataset)
    numbers = table["numbers"].to_pylist()
    sums = np.array([sum(e0.get(z, 0.0) for z in numbers[k]) for k in c.structure.tolist()])
    n = counts[c.structure]
    note = "per atom, without E0" if e0 else "per atom"
    unit = f"{c.unit}/atom"
    return replace(c, label=(c.label - sums) / n, predicted=(c.predicted - sums) / n, unit=unit, note=note)


def references_of(results: Mapping[str, Any] | None, name: str, dataset: str) -> dict[int, float]:
    """E0 by atomic number that a run fitted for a property on a dataset."""
    for fitted in (results or {}).get("fitted", ()):
        if fitted["property"] == name and fitted["dataset"] in ("all", dataset):
            own = fitted.get("references_by_dataset", {}).get(dataset)
            table = own if own is not None else fitted["references"]
            return {atomic_numbers[s]: v for s, v in table.items() if isinstance(v, int | float)}
    return {}


def _in_shown_units(c: Compared) -> Compared:
    factor, unit = shown(1.0, c.unit)
    return replace(c, label=c.label * factor, predicted=c.predicted * factor, unit=unit)


@dataclass(frozen=True)
class ElementError:
    """Mean absolute error where an element is present, over so many atoms or structures."""

    element: str
    mae: float
    count: int


def by_element(c: Compared, numbers: list[list[int]]) -> list[ElementError]:
    """Errors per element: of its atoms, or of the structures that hold it; the most frequent first."""
    error, found = np.abs(c.errors), []
    if (c.atom >= 0).all():
        z = np.array([numbers[k][a] for k, a in zip(c.structure.tolist(), c.atom.tolist(), strict=True)])
        for k in np.unique(z):
            found.append((int(k), error[z == k]))
    else:
        holds: dict[int, list[int]] = {}
        for i, k in enumerate(c.structure.tolist()):
            for z in set(numbers[k]):
                holds.setdefault(z, []).append(i)
        found = [(z, error[rows]) for z, rows in sorted(holds.items())]
    rows = [ElementError(chemical_symbols[z], float(e.mean()), len(e)) for z, e in found]
    return sorted(rows, key=lambda r: -r.count)


@dataclass(frozen=True)
class Worst:
    """A structure whose prediction is far off: its row, its error, and the number that is worst in it."""

    structure: int
    error: float
    label: float
    predicted: float


def worst(c: Compared, most: int = 6) -> list[Worst]:
    """Structures with the largest root mean square error of their numbers."""
    size = int(c.structure.max()) + 1
    square = np.bincount(c.structure, c.errors**2, size) / np.maximum(np.bincount(c.structure, None, size), 1)
    found = []
    for k in np.argsort(-square, kind="stable")[:most].tolist():
        mine = np.flatnonzero(c.structure == k)
        if len(mine):
            at = mine[np.abs(c.errors[mine]).argmax()]
            found.append(Worst(k, float(square[k] ** 0.5), float(c.label[at]), float(c.predicted[at])))
    return found
