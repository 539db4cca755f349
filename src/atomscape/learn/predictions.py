"""Labels beside predictions on val and test, one row per structure, as Parquet: for parity plots of any kind.

    import pyarrow.parquet as pq
    table = pq.read_table("runs/NAME/predictions.parquet")

    part, dataset, id          which structure; row is its number in the dataset
    numbers                    atomic numbers
    PROPERTY, PROPERTY_predicted   numbers, or lists of them where there are several per structure
    PROPERTY_error             of heads that judge themselves, what their metric says of the structure

Unit and shape of each property stand in the metadata of its columns. Labels that are not known are NaN.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from atomscape.atoms.graph import Graph
from atomscape.atoms.properties import Property
from atomscape.atoms.structures import Structures
from atomscape.learn.checkpoint import write_atomic
from atomscape.learn.graphs import GraphSet
from atomscape.learn.machines.ranks import Ranks
from atomscape.learn.model import Model
from atomscape.learn.prepare import Prepared
from atomscape.learn.run_folder import PREDICTIONS
from atomscape.shapes import Int, Tensor

MOST = 100_000
"""Structures of a part that are kept; of more, every n-th."""


class Kept:
    """Rows of one part, as batches are evaluated."""

    def __init__(self, model: Model, prepared: Prepared, part: str, graphs: GraphSet) -> None:
        self.model, self.part, self.names = model, part, tuple(prepared.stores)
        self.every = -(-len(graphs) // MOST)
        self.row = np.concatenate([prepared.rows[name][part] for name in self.names])
        self.tables: list[pa.Table] = []

    def add(
        self,
        rows: Sequence[int],
        graph: Graph,
        dataset: Int[Tensor, " structures"],
        predictions: Mapping[str, Tensor],
    ) -> None:
        """Take in a batch: ``rows`` are its structures' places in the part."""
        s, place = graph.structures, np.asarray(rows)
        owner = dataset.tolist()
        columns: dict[str, Any] = {
            "part": pa.array([self.part] * len(s)).dictionary_encode(),
            "place": pa.array(place),
            "dataset": pa.array([self.names[d] for d in owner]).dictionary_encode(),
            "id": pa.array(list(s.ids) or [str(self.row[k]) for k in place]),
            "row": pa.array(self.row[place]),
            "numbers": _lists(s.numbers.to(torch.uint8), s.offsets),
        }
        fields = {}
        for p in self.model.properties.values():
            if p.name not in predictions:
                continue
            found = self._of(p, predictions[p.name], graph, owner)
            columns |= found
            about = {"unit": p.unit, "per": p.per, "shape": ",".join(map(str, p.shape))}
            about |= {"extensive": "yes" if p.extensive else "no"}
            fields |= {name: pa.field(name, values.type, metadata=about) for name, values in found.items()}
        schema = pa.schema([fields.get(name, pa.field(name, v.type)) for name, v in columns.items()])
        chosen = pa.array(place % self.every == 0)
        self.tables.append(pa.table(list(columns.values()), schema=schema).filter(chosen))

    def _of(self, p: Property, prediction: Tensor, graph: Graph, owner: list[int]) -> dict[str, pa.Array]:
        own = self.model.own_losses()
        judged = {d for d, name in own if name == p.name}
        s = graph.structures
        if judged:
            errors = [own[(d, p.name)].errors(prediction, graph) for d in sorted(judged)]
            of = {d: k for k, d in enumerate(sorted(judged))}
            values = [float(errors[of[d]][k]) if d in of else np.nan for k, d in enumerate(owner)]
            return {f"{p.name}_error": pa.array(values, pa.float32())}
        if p.name not in s.labels:
            return {}
        return {
            p.name: _column(p, s.labels[p.name], s),
            f"{p.name}_predicted": _column(p, prediction, s),
        }


def _column(p: Property, values: Tensor, s: Structures) -> pa.Array:
    """Numbers of a scalar per structure in float64; lists of float32 otherwise."""
    values = values.detach().cpu()
    if p.per == "structure" and not p.shape:
        return pa.array(values.double().numpy())
    size = values[:1].numel() if len(values) else 1
    ends = (s.offsets.cpu() if p.per == "atom" else torch.arange(len(s) + 1)) * size
    return _lists(values.float().flatten(), ends)


def _lists(values: Tensor, ends: Tensor) -> pa.Array:
    flat = pa.array(values.cpu().numpy())
    return pa.ListArray.from_arrays(pa.array(ends.cpu().to(torch.int32).numpy()), flat)


def write_predictions(folder: Path, parts: Sequence[Kept], ranks: Ranks) -> None:
    """Join what all processes have kept, in the order of the parts; the first process writes it."""
    tables = []
    for kept in parts:
        mine = pa.concat_tables(kept.tables) if kept.tables else None
        found = [t for t in ranks.gathered(mine) if t is not None]
        if found:
            tables.append(pa.concat_tables(found).sort_by("place"))
    if not ranks.main or not tables:
        return
    table = pa.concat_tables(tables).drop_columns(["place"]).unify_dictionaries()
    text = io.BytesIO()
    pq.write_table(table, text, compression="zstd")
    write_atomic(folder / PREDICTIONS, text.getvalue())


def read_predictions(folder: Path, part: str | None = None) -> pa.Table | None:
    """What was kept of a run, or of one part of it; None where nothing was."""
    if not (folder / PREDICTIONS).is_file():
        return None
    table = pq.read_table(folder / PREDICTIONS)
    return table if part is None else table.filter(pc.field("part") == part)
