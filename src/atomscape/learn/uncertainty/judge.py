"""Judge uncertainties on a part: errors beside σ, property by property, for last layers and ensembles."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from atomscape.atoms.properties import Property
from atomscape.learn.graphs import GraphSet
from atomscape.learn.model import Model
from atomscape.learn.uncertainty.ensemble import Ensemble, member_rows
from atomscape.learn.uncertainty.fit import DERIVATIVE_STRUCTURES, LastLayerUncertainty, known_rows
from atomscape.learn.uncertainty.reliability import Reliability, reliability
from atomscape.shapes import Float, Tensor

LAST_LAYER, SPREAD, MIXTURE = "last layer", "ensemble spread", "ensemble and last layers"


def judge_last_layer(
    model: Model,
    uncertainty: LastLayerUncertainty,
    graphs: GraphSet,
    derivative_structures: int = DERIVATIVE_STRUCTURES,
) -> list[Reliability]:
    """Reliability of a model's σ, a row for each property of each head.

    Raises
    ------
    ValueError
        The uncertainty belongs to other weights, or no label is known.
    """
    uncertainty.check(model)
    found: dict[tuple[str, str], list[tuple[Tensor, Tensor, Tensor]]] = {}
    for rows in known_rows(model, graphs, derivative_structures):
        head = uncertainty.heads[rows.key]
        if rows.name not in head.scales or not len(rows.errors):
            continue
        scale = head.scales[rows.name]
        variance = scale.variance(head.rigidity.leverage(rows.features, scale.ridge), rows.sizes)
        found.setdefault((rows.key, rows.name), []).append((rows.errors, variance, rows.sizes))
    judged = []
    for (key, name), parts in found.items():
        whose = key.partition(":")[0]
        label = name if whose == "shared" else f"{whose}: {name}"
        constant = uncertainty.constant[key][name]
        judged.append(_judged(label, model.properties[name], LAST_LAYER, parts, constant))
    return _some(judged, model.properties)


def judge_ensemble(ensemble: Ensemble, graphs: GraphSet) -> list[Reliability]:
    """Reliability of an ensemble's σ, from its spread and, where it has them, from last layers too.

    Raises
    ------
    ValueError
        No label is known.
    """
    properties = ensemble.models[0].properties
    found: dict[tuple[str, str], list[tuple[Tensor, Tensor, Tensor]]] = {}
    for name, errors, spread2, mixture2, sizes in member_rows(ensemble, graphs):
        if not len(errors) or name not in ensemble.spread:
            continue
        sigma2 = ensemble.spread[name].variance(spread2, sizes)
        found.setdefault((name, SPREAD), []).append((errors, sigma2, sizes))
        if name in ensemble.mixture:
            sigma2 = ensemble.mixture[name].variance(mixture2, sizes)
            found.setdefault((name, MIXTURE), []).append((errors, sigma2, sizes))
    judged = [
        _judged(name, properties[name], method, parts, ensemble.constant[name])
        for (name, method), parts in found.items()
    ]
    return _some(judged, properties)


def _judged(
    label: str,
    property: Property,
    method: str,
    parts: list[tuple[Tensor, Tensor, Tensor]],
    constant: float,
) -> Reliability:
    """Reliability of the rows of all batches; per atom where the property adds up over atoms."""
    errors = _flat([e / m.unsqueeze(1) for e, _, m in parts])
    sigma = _flat([v.sqrt() / m.unsqueeze(1) for _, v, m in parts])
    unit = property.unit + ("/atom" if property.extensive and property.per == "structure" else "")
    return reliability(errors, sigma, constant, label, unit, method)


def _flat(parts: list[Tensor]) -> Float[np.ndarray, " rows"]:
    return torch.cat(parts).flatten().cpu().numpy()


def _some(judged: list[Reliability], properties: Mapping[str, Property]) -> list[Reliability]:
    if not judged:
        raise ValueError(f"no label is known of what has an uncertainty here: {', '.join(properties)}")
    return judged
