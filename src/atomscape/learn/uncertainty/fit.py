"""Fit the uncertainty of a trained model: covariances of last-layer features, then scales on unseen errors.

Three passes: over the training part for C and the errors that go with it, over the validation part for the
scales, over the training part for the largest leverage. Where forces or stress were learned, the energy's C
has their φ too, for they hold the last weights as energies do; exact φ of forces are dear
(``learn.uncertainty.last_layers``), so at most ``derivative_structures`` structures are asked, evenly
through each part, and what they add to C is scaled up to all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from atomscape.atoms.structures import Structures
from atomscape.learn.evaluate import batches_in_order, evaluating
from atomscape.learn.evenly import evenly
from atomscape.learn.graphs import GraphSet
from atomscape.learn.model import Model
from atomscape.learn.objectives import rows_of
from atomscape.learn.uncertainty.calibrate import FEWEST, Scale, calibrate
from atomscape.learn.uncertainty.last_layers import (
    Served,
    derivative_features,
    keys_with_last_layer,
    on_known,
    read_with_features,
    served_datasets,
)
from atomscape.learn.uncertainty.rigidity import Rigidity, outer_sum, rigidity_of
from atomscape.shapes import Float, Int, Tensor

DERIVATIVE_STRUCTURES = 32
_ATOMS = 512


@dataclass(frozen=True, eq=False)
class HeadUncertainty:
    """Rigidity of one head and the scale of each property that follows from its last layer.

    ``ridge`` is that of the head's own property. ``largest`` is the largest leverage of a training row over
    its m at this ridge, ``largest_atom`` that of one atom's share of a row.
    """

    rigidity: Rigidity
    scales: Mapping[str, Scale]
    ridge: float
    largest: float
    largest_atom: float


@dataclass(frozen=True, eq=False)
class LastLayerUncertainty:
    """Uncertainty of every head that shows a last layer, for the model of one hash.

    ``constant`` is the root mean square error of each property on the validation part (per atom where it
    adds up), by head and property: what an uncertainty has to beat.
    """

    model_hash: str
    heads: Mapping[str, HeadUncertainty]
    constant: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def check(self, model: Model) -> None:
        """Raise ``ValueError`` if it was fitted to other weights."""
        if model.hash != self.model_hash:
            raise ValueError(
                f"this uncertainty was fitted to the model {self.model_hash[:12]}, and the weights given are "
                f"{model.hash[:12]}; fit it to these: atomscape uncertainty RUN"
            )


@dataclass(frozen=True, eq=False)
class KnownRows:
    """φ, errors and m of rows whose label is known; ``shares`` of their atoms where asked."""

    key: str
    name: str
    features: Float[Tensor, "rows entries features"]
    errors: Float[Tensor, "rows entries"]
    sizes: Float[Tensor, " rows"]
    shares: Float[Tensor, "atoms components features"] | None = None


def fit_uncertainty(
    model: Model, train: GraphSet, val: GraphSet, derivative_structures: int = DERIVATIVE_STRUCTURES
) -> LastLayerUncertainty:
    """Fit to the training part, calibrate on the validation part.

    Parameters
    ----------
    derivative_structures
        How many structures of each part are asked for φ of forces and stress; 0 leaves both out.

    Raises
    ------
    ValueError
        No head of the model shows a last layer, or too few validation labels are known.
    """
    keys = keys_with_last_layer(model)
    if not keys:
        kinds = ", ".join(f"{h.predicts.name} ({h.head.kind})" for h in model.architecture.heads)
        raise ValueError(
            f"no head of this model is linear in a last layer that it shows; it has {kinds}. The heads "
            "scalar, atom_scalar and tensor are; an ensemble of runs serves any scalar"
        )
    covariances = covariances_of(model, train, derivative_structures)
    rigidities = {key: rigidity_of(c) for key, c in covariances.items()}
    scales, constant = _calibrated(model, val, rigidities, derivative_structures)
    names = {h.key: h.predicts.name for h in model.architecture.heads}
    ridges = {key: scales[key][names[key]].ridge for key in rigidities}
    largest = _largest(model, train, rigidities, ridges)
    heads = {
        key: HeadUncertainty(rigidity, scales[key], ridges[key], *largest[key])
        for key, rigidity in rigidities.items()
    }
    return LastLayerUncertainty(model.hash, heads, constant)


def covariances_of(
    model: Model, graphs: GraphSet, derivative_structures: int = DERIVATIVE_STRUCTURES
) -> dict[str, Float[Tensor, "features features"]]:
    """C of every head: Σ φφᵀ / (m β²) over the known labels of its property and, of energies, derivatives."""
    total: dict[str, Tensor] = {}
    sums: dict[tuple[str, str], list] = {}
    for rows in known_rows(model, graphs, derivative_structures):
        s = sums.setdefault((rows.key, rows.name), [0.0, 0.0, 0])
        s[0] = s[0] + outer_sum(rows.features, rows.sizes)
        s[1] += float((rows.errors.square() / rows.sizes.unsqueeze(1)).sum())
        s[2] += rows.errors.numel()
    own = {h.key: h.predicts.name for h in model.architecture.heads}
    for (key, name), (outer, square, count) in sums.items():
        share = 1.0 if name == own[key] else _known(model, graphs, (key, name)) / max(count, 1)
        beta2 = max(square / max(count, 1), torch.finfo(torch.float64).tiny)
        total[key] = total.get(key, 0.0) + outer * (share / beta2)
    return total


def known_rows(
    model: Model, graphs: GraphSet, derivative_structures: int = 0, shares: bool = False
) -> Iterator[KnownRows]:
    """Walk through a part: first the properties of heads on all structures, then derivatives on some."""
    yield from _walk(model, graphs, torch.arange(len(graphs)), (), shares)
    derivatives = model.architecture.derivatives
    if derivatives and derivative_structures > 0:
        yield from _walk(model, graphs, evenly(len(graphs), derivative_structures), derivatives, False)


def _walk(
    model: Model, graphs: GraphSet, index: Int[Tensor, " chosen"], derivatives: Sequence[str], shares: bool
) -> Iterator[KnownRows]:
    device = next(model.parameters()).device
    for span in batches_in_order(graphs.counts[index], _ATOMS):
        graph, dataset = graphs.batch(index[span.start : span.stop])
        graph, dataset = graph.to(device), dataset.to(device)
        if derivatives:
            with evaluating(model):
                predictions = model(graph, dataset, derivatives)
            layers = derivative_features(model, graph, dataset, derivatives)
        else:
            predictions, layers = read_with_features(model, graph, dataset)
        for layer in layers:
            if layer.property.name in graph.structures.labels:
                yield _known_of(layer, predictions, graph.structures, shares)


def _known_of(layer: Served, predictions: dict[str, Tensor], s: Structures, shares: bool) -> KnownRows:
    known, errors, sizes = on_known(layer, predictions, s)
    kept = known.shares[known.atoms(s)] if shares and known.shares is not None else None
    return KnownRows(known.key, known.property.name, known.features, errors, sizes, kept)


def _known(model: Model, graphs: GraphSet, rows: tuple[str, str]) -> int:
    """Entries of a label known in all entries of their row, in the datasets that a head serves."""
    key, name = rows
    values = graphs.structures.labels[name]
    known = values.isfinite().reshape(len(values), -1).all(1)
    mine = torch.isin(graphs.dataset, torch.tensor(served_datasets(model, key)))
    known = known & rows_of(model.properties[name], mine, graphs.structures)
    return int(known.sum()) * values[:1].numel()


def _calibrated(
    model: Model, val: GraphSet, rigidities: Mapping[str, Rigidity], derivative_structures: int
) -> tuple[dict[str, dict[str, Scale]], dict[str, dict[str, float]]]:
    """Scale of every property of every head, and its root mean square error, on the validation part."""
    parts: dict[tuple[str, str], list[tuple[Tensor, Tensor, Tensor]]] = {}
    for rows in known_rows(model, val, derivative_structures):
        rigidity = rigidities[rows.key]
        leverages = rigidity.leverages(rows.features, rigidity.ridges)
        parts.setdefault((rows.key, rows.name), []).append((rows.errors, leverages, rows.sizes))
    scales: dict[str, dict[str, Scale]] = {}
    constant: dict[str, dict[str, float]] = {}
    for (key, name), several in parts.items():
        errors, leverages, sizes = (torch.cat(x) for x in zip(*several, strict=True))
        if errors.numel() < FEWEST and name != model_property(model, key):
            continue
        scales.setdefault(key, {})[name] = calibrate(
            errors, leverages, sizes, rigidities[key].ridges, f"values of {name}"
        )
        mean = float((errors / sizes.unsqueeze(1)).square().mean())
        constant.setdefault(key, {})[name] = math.sqrt(mean)
    return scales, constant


def model_property(model: Model, key: str) -> str:
    """Property of a head."""
    return next(h.predicts.name for h in model.architecture.heads if h.key == key)


def _largest(
    model: Model, train: GraphSet, rigidities: Mapping[str, Rigidity], ridges: Mapping[str, float]
) -> dict[str, tuple[float, float]]:
    """Largest leverage per m of a training row, and of one atom's share, of every head."""
    found = dict.fromkeys(rigidities, (0.0, 0.0))
    for rows in known_rows(model, train, shares=True):
        if not len(rows.features):
            continue
        rigidity, ridge = rigidities[rows.key], ridges[rows.key]
        row = rigidity.leverage(rows.features, ridge).sum(1) / rows.sizes
        atom = rigidity.leverage(rows.shares, ridge).sum(1) if rows.shares is not None else row
        former = found[rows.key]
        found[rows.key] = max(former[0], float(row.max())), max(former[1], float(atom.max()))
    return found
