"""Last layers of a model on a batch: φ of every property, of forces and of stress.

    y = φ · w + rest,      φ of a structure = Σ φ of its atoms

Forces and stress are derivatives of an energy that is linear in w, so they are linear in w too:

    φ[forces] = −∂φ/∂r,      φ[stress] = (1/V) ∂φ/∂ε

Each column of φ takes one backward pass through the encoder, so exact features of forces cost as many passes
as the last layer has weights (65 for 64 hidden channels). Combinations φ · D of few columns cost as many
passes as there are columns: what draws of w need (``learn.uncertainty.predict``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from atomscape.atoms.components import from_components
from atomscape.atoms.graph import Graph
from atomscape.atoms.properties import PROPERTIES, Property
from atomscape.atoms.structures import Structures
from atomscape.learn.evaluate import evaluating
from atomscape.learn.model import Model, per_volume, strained_leaves
from atomscape.nn.embedding import Embedding
from atomscape.nn.last_layer import LastLayer, linear_at_last
from atomscape.ops.segment import segment_sum
from atomscape.shapes import Bool, Float, Int, Tensor


@dataclass(frozen=True, eq=False)
class Served:
    """φ of one property for the rows of a batch that the head ``key`` serves.

    ``entries`` are those of a value, a tensor's row by row; ``shares`` are φ of every atom of the batch, in
    components of the irreps (of forces and stress there are none).
    """

    key: str
    property: Property
    rows: Bool[Tensor, " rows"]
    features: Float[Tensor, "served entries features"]
    shares: Float[Tensor, "atoms components features"] | None = None

    def atoms(self, s: Structures) -> Bool[Tensor, " atoms"]:
        """Atoms of the served rows."""
        return self.rows if self.property.per == "atom" else self.rows[s.structure]


def keys_with_last_layer(model: Model) -> list[str]:
    """Heads of the model that show a last layer."""
    return [h.key for h in model.architecture.heads if linear_at_last(model.heads[h.key]) is not None]


def served_datasets(model: Model, key: str) -> list[int]:
    """Indices of the datasets that a head serves; −1, for structures of none, is with the shared head."""
    names = model.architecture.datasets
    (head,) = (h for h in model.architecture.heads if h.key == key)
    if head.dataset != "shared":
        return [names.index(head.dataset)]
    alike = [h.dataset for h in model.architecture.heads if h.predicts.name == head.predicts.name]
    return [-1, *(k for k, name in enumerate(names) if name not in alike)]


def read_with_features(
    model: Model, graph: Graph, index: Int[Tensor, " structures"]
) -> tuple[dict[str, Tensor], list[Served]]:
    """Predictions without derivatives, and φ of each, from one pass of the encoder."""
    with evaluating(model):
        embedding = model.encoder(graph)
        return model.read(embedding, graph, index), features_of(model, embedding, graph, index)


def features_of(
    model: Model, embedding: Embedding, graph: Graph, index: Int[Tensor, " structures"]
) -> list[Served]:
    """φ of every property whose head shows a last layer."""
    found, s = [], graph.structures
    for h in model.architecture.heads:
        head = linear_at_last(model.heads[h.key])
        if head is None:
            continue
        property = h.predicts.property()
        served = torch.tensor(served_datasets(model, h.key), device=index.device)
        rows = torch.isin(index, served)
        layer = head.last_layer(embedding, graph)[property.name]
        rows = rows[s.structure] if property.per == "atom" else rows
        found.append(Served(h.key, property, rows, _entries(property, layer, s)[rows], layer.features))
    return found


def derivative_features(
    model: Model,
    graph: Graph,
    index: Int[Tensor, " structures"],
    wanted: Sequence[str],
    columns: dict[str, Float[Tensor, "features columns"]] | None = None,
) -> list[Served]:
    """φ of forces and stress, exact; ``columns`` of a head's key asks for φ · columns instead.

    Takes a backward pass for each column.
    """
    found, s = [], graph.structures
    with evaluating(model), torch.enable_grad():
        strained, positions, strain = strained_leaves(graph)
        layers = features_of(model, model.encoder(strained), strained, index)
        for served in (x for x in layers if x.property.name == "energy"):
            features = served.features[:, 0]
            if columns is not None:
                features = features @ columns[served.key]
            by_position, by_strain = [], []
            for k in range(features.shape[1] if features.requires_grad else 0):
                d_positions, d_strain = torch.autograd.grad(
                    features[:, k].sum(), (positions, strain), retain_graph=True, materialize_grads=True
                )
                by_position.append(-d_positions)
                by_strain.append(per_volume(d_strain, graph).flatten(1))
            for name in wanted:
                p = PROPERTIES[name]
                rows = served.rows[s.structure] if p.per == "atom" else served.rows
                columns_of = {"forces": by_position, "stress": by_strain}[name]
                full = torch.stack(columns_of, -1) if columns_of else _nothing(p, s, features.shape[1])
                found.append(Served(served.key, p, rows, full[rows]))
    return found


def sizes_of(property: Property, s: Structures) -> Float[Tensor, " rows"]:
    """What the variance of an error goes with: the number of atoms for what adds up over atoms, else 1."""
    if property.per == "atom":
        return s.positions.new_ones(s.n_atoms, dtype=torch.float64)
    return s.counts.double() if property.extensive else torch.ones_like(s.counts, dtype=torch.float64)


def _entries(property: Property, layer: LastLayer, s: Structures) -> Float[Tensor, "rows entries features"]:
    """φ of the rows of a property, in the entries of its values."""
    rows = layer.features
    if property.per == "structure":
        rows = segment_sum(rows, s.structure, len(s))
    if not property.shape:
        return rows
    n, _, f = rows.shape
    values = from_components(property, rows.transpose(1, 2).flatten(0, 1))
    return values.reshape(n, f, -1).transpose(1, 2)


def _nothing(property: Property, s: Structures, columns: int) -> Tensor:
    """No φ that depends on positions: an empty graph."""
    rows, entries = (s.n_atoms, 3) if property.per == "atom" else (len(s), 9)
    return s.positions.new_zeros(rows, entries, columns, dtype=torch.float64)


def on_known(
    served: Served, predictions: dict[str, Tensor], s: Structures
) -> tuple[Served, Float[Tensor, "known entries"], Float[Tensor, " known"]]:
    """Served rows whose label is known in all entries, prediction − label, and m."""
    name, rows = served.property.name, served.rows
    value, label = predictions[name][rows].double(), s.labels[name][rows].double()
    error = (value - label).flatten(1) if value.dim() > 1 else (value - label).unsqueeze(1)
    known = error.isfinite().all(1)
    chosen = rows.clone()
    chosen[rows] = known
    sizes = sizes_of(served.property, s)[chosen]
    return replace(served, rows=chosen, features=served.features[known]), error[known], sizes
